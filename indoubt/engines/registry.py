"""Which engine executes a job's trainings: the one place where a name becomes code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import torch

from indoubt.engines.fairseq import engine as reference
from indoubt.engines.fused import engine as fused
from indoubt.errors import UserError, nearest
from indoubt.training import Result, Training


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
    if engine == "modules":
        from indoubt.engines.modules import engine as modules  # sets how MKL computes, so only where it is asked for

        return modules.train_chains
    engines: dict[str, TrainChains] = {"fairseq": reference.train_chains, "fused": fused.train_chains}
    if engine not in engines:
        known = [*engines, "modules"]
        raise UserError(f"no engine {engine!r}; there are {', '.join(known)}{nearest(engine, known)}")
    return engines[engine]


def evaluate_kept(engine: str, training: Training, model: torch.nn.Module, device: torch.device) -> Result:
    """The result of a training whose model was kept: scored and decoded by the engine that reads it, not trained."""
    if engine == "modules":
        from indoubt.engines.modules import engine as modules

        return modules.evaluate_kept(training, model, device)
    return reference.evaluate_kept(training, model, device)
