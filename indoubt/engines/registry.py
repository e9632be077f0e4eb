"""Which engine executes a job's trainings: the one place where a name becomes code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import torch

from indoubt.errors import UserError, nearest
from indoubt.training import Result, Training

ENGINES = ("fairseq", "fused", "modules", "in_context")


class TrainChains(Protocol):
    """What an engine offers: train chains, yield each result as it is there, go on from saved states."""

    def __call__(
        self,
        chains: Sequence[Sequence[Training]],
        device: torch.device,
        *,
        state_folder: Path | None = None,
        keep: Callable[[Training, torch.nn.Module], None] | None = None,
    ) -> Iterator[Result]: ...


def train_chains_of(engine: str) -> TrainChains:
    """The engine of this name.

    Raises:
        UserError: there is none.
    """
    train_chains: TrainChains
    if engine == "modules":
        from indoubt.engines.modules.engine import train_chains  # sets how MKL computes, so only where it is asked for
    elif engine == "fused":
        from indoubt.engines.fused.engine import train_chains  # imports fairseq, as does the next
    elif engine == "fairseq":
        from indoubt.engines.fairseq.engine import train_chains
    elif engine == "in_context":
        from indoubt.engines.in_context.engine import train_chains
    else:
        raise UserError(f"no engine {engine!r}; there are {', '.join(ENGINES)}{nearest(engine, ENGINES)}")
    return train_chains


def evaluate_kept(engine: str, training: Training, model: torch.nn.Module, device: torch.device) -> Result:
    """The result of a training whose model was kept: scored and decoded by the engine that reads it, not trained."""
    if engine == "modules":
        from indoubt.engines.modules import engine as modules

        return modules.evaluate_kept(training, model, device)
    from indoubt.engines.fairseq import engine as reference

    return reference.evaluate_kept(training, model, device)
