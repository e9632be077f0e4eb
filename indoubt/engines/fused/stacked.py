"""Trainings whose weights are stacked, as the loop asks for them: what engines `fused` and `modules` share.

Both take subnormal numbers, below 1.2e-38 (2.2e-308 in double precision), for zero while they train: some CPUs compute
with them far more slowly. Adam's moments of a weight that has no gradient any more shrink by a factor at each update
until they are of that size, and stay there: rounding brings them back to where they were. A CNN's updates then took
three times as long on one CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from indoubt.engines.backend import Lockstep, State
from indoubt.engines.fused.adam import Adam
from indoubt.engines.fused.parameters import Parameters
from indoubt.engines.weights import Weights
from indoubt.training import Training


class StackedLockstep(Lockstep):
    """Trainings row by row in `weights`, with the moments of `adam`; `nats` are the last update's losses.

    `rows` says for each model whose training it does: the first models are those of `trainings`, more may fill up.
    """

    weights: Parameters
    adam: Adam
    nats: Tensor
    rows: Sequence[int]

    def losses_finite(self) -> list[bool]:
        return [bool(each) for each in self.nats.isfinite().tolist()]

    def weights_finite(self) -> list[bool]:
        return [bool(each) for each in self.weights.finite().tolist()]

    def state(self) -> State:
        ours = range(len(self.trainings))  # not what fills up
        return {"models": len(ours), **{name: each.select(ours).flat for name, each in self._saved().items()}}

    def begin_from(self, row: int, weights: Weights) -> None:
        own = {name: value if value.dim() else value[None] for name, value in weights.state.items()}
        for model, training in enumerate(self.rows):
            if training == row:
                self.weights.load(model, own)

    def take_up(self, state: State, rows: Mapping[int, int], done: int) -> None:
        for name, ours in self._saved().items():
            if name in state:
                theirs = ours.like(state["models"])
                theirs.flat.copy_(state[name])
                for row, training in enumerate(self.rows):
                    if training in rows:
                        ours.put(row, theirs, rows[training])

    def carried(self, row: int, following: Training) -> State:
        moments = {name: each.select([row]).flat for name, each in self._saved().items() if name != "weights"}
        return {"models": 1, **moments}

    def _saved(self) -> dict[str, Parameters]:
        return {"weights": self.weights, "first": self.adam.first, "second": self.adam.second}


def are_kept() -> bool:
    """Whether this thread computes with subnormal numbers, as by default, instead of taking them for zero."""
    return bool(torch.full((1,), 1e-39).mul(1.0))


@contextmanager
def taken_for_zero() -> Iterator[None]:
    """Compute without subnormal numbers, where the CPU can, in this thread.

    Such a moment moves a weight by less than 1e-32 (fairseq/optim/adam.py adds 1e-8 to what it is divided by), which no
    weight that has been initialised at random notices.
    """
    kept = are_kept()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(not kept)
