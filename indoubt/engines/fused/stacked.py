"""Trainings whose weights are stacked, as back end `loop` asks for them: what engines `fused` and `modules` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from indoubt.engines.backend import Lockstep, State
from indoubt.engines.fused.arrays.parameters import Parameters
from indoubt.engines.fused.optimisation import Adam
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
