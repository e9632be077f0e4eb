"""Weights of trained T's, kept by the code that trained them: what is asked later is read off them, not trained again.

checkpoints/{hash of the engine's code}/{key of the training}.pt
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from indoubt.engines.checkpoints import load_checkpoint, save_checkpoint
from indoubt.errors import UserError
from indoubt.training import Training
from indoubt.workflow.planning.identity import same_numbers
from indoubt.workflow.running.ledger import Ledger
from indoubt.workflow.running.measurement import Chain


def kept_at(folder: Path, code: str, training: Training) -> Path | None:
    """Where the weights of a training by some code, or by earlier code with the same numbers, are kept, if they are."""
    paths = (folder / each / f"{training.key}.pt" for each in same_numbers(code))
    return next((path for path in paths if path.exists()), None)


def keeper(folder: Path, code: str) -> Callable[[Training, torch.nn.Module], None]:
    """What an engine calls with each trained model: it keeps T's."""

    def keep(training: Training, model: torch.nn.Module) -> None:
        if training.block == 0:
            save_checkpoint(folder / code / f"{training.key}.pt", training, model)

    return keep


def kept_models(
    folder: Path, code: str, missing: Sequence[Chain], ledger: Ledger, device: torch.device
) -> Iterator[tuple[Training, torch.nn.Module]]:
    """The trainings of which more is asked and whose weights were kept, with these as models.

    They are trainings by this code that the ledger has: of others nobody knows what trained them. What was kept is the
    end of a training, so milestones must be there. A file that cannot be read is said so, and its training done again.
    """
    for chain in missing:
        path = kept_at(folder, code, chain[0])
        if len(chain) > 1 or path is None or not ledger.results(chain[0]) or not ledger.has_milestones(chain[0]):
            continue
        try:
            yield chain[0], load_checkpoint(path).model(device)
        except UserError as error:
            print(f"warning: {error}; T is trained again", file=sys.stderr)
