"""What an engine must be able to do; `loop` does the rest.

An engine is a `Backend`: it says which trainings can be updated together and how many fit, starts them, scores and
decodes. Trainings under way are a `Lockstep`: it does updates, and gives and takes its state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import torch

from indoubt.engines.weights import Weights
from indoubt.training import Result, Training

#: How often trainings look whether their losses are still finite (on a GPU, each look waits for the device).
CHECK_EVERY = 100
#: So many sources are decoded together; all of a small task's at once.
TOGETHER = 128

#: What an engine needs to go on from: tensors, numbers and strings, by name.
State = dict[str, Any]
#: Called with each training that did not diverge and its model.
Keep = Callable[[Training, torch.nn.Module], None]


class Lockstep(ABC):
    """Trainings that are updated together, from their start to their end.

    `done` counts updates; `diverged_after` holds for each training after how many of them it was found to have
    diverged, or None; `seconds` is the time spent so far.
    """

    def __init__(self, trainings: Sequence[Training]) -> None:
        self.trainings = list(trainings)
        self.updates = self.trainings[0].learner.updates
        self.done, self.seconds = 0, 0.0
        self.diverged_after: list[int | None] = [None] * len(self.trainings)

    @abstractmethod
    def advance(self, most: int) -> int:
        """Do at least one update and at most so many; returns how many. Update number `done` comes first."""

    @abstractmethod
    def losses_finite(self) -> Sequence[bool]:
        """Whether each training's loss was finite at the last update."""

    @abstractmethod
    def weights_finite(self) -> Sequence[bool]:
        """Whether all of each training's weights are finite."""

    @abstractmethod
    def state(self) -> State:
        """All that the trainings need to go on from here, in their order."""

    @abstractmethod
    def take_up(self, state: State, rows: Mapping[int, int], done: int) -> None:
        """Take up a state after `done` updates; `rows` says for some of our trainings which of the state's each is.

        At 0 updates it is what the block before has left, which has no weights.
        """

    @abstractmethod
    def carried(self, row: int, following: Training) -> State:
        """What a training leaves to the one that follows it in its chain, as a state of one training."""

    @abstractmethod
    def begin_from(self, row: int, weights: Weights) -> None:
        """Have a training begin, before its first update, with the weights that its start has learned."""

    @property
    def finished(self) -> bool:
        """Whether no training has anything left to do."""
        return self.done >= self.updates or all(update is not None for update in self.diverged_after)

    def update(self, halts: Sequence[int] = ()) -> None:
        """Do one or several updates, none past the next halt, check or end; then note what has diverged.

        Diverged trainings go on computing where others share their lockstep, which disturbs nobody.
        """
        next_check = self.done + CHECK_EVERY - (self.done - 1) % CHECK_EVERY
        until = min(halt for halt in (*halts, next_check, self.updates) if halt > self.done)
        self.done += self.advance(until - self.done)
        if (self.done - 1) % CHECK_EVERY == 0:
            self._note(self.losses_finite())
        if self.done == self.updates:
            self._note(self.weights_finite())

    def _note(self, finite: Sequence[bool]) -> None:
        for row, still in enumerate(finite[: len(self.trainings)]):
            if not still and self.diverged_after[row] is None:
                self.diverged_after[row] = self.done


AnyLockstep = TypeVar("AnyLockstep", bound=Lockstep)


class Backend(ABC, Generic[AnyLockstep]):
    """An engine on a device."""

    name: ClassVar[str]

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @abstractmethod
    def alike(self, training: Training) -> Hashable:
        """What trainings must have in common to be updated together; it hangs on a training's own data alone."""

    @abstractmethod
    def capacity(self, training: Training) -> int:
        """How many trainings like this one fit into a lockstep; at least 1."""

    @abstractmethod
    def start(self, trainings: Sequence[Training], steps_before: int) -> AnyLockstep:
        """Trainings that are alike, before their first update.

        Args:
            steps_before: Adam's steps in earlier blocks of their chains, where it lives on.
        """

    @abstractmethod
    def evaluate(self, lockstep: AnyLockstep, asked: Sequence[Training], results: Sequence[Result]) -> None:
        """Score and decode what each training is asked for, into its result; those that diverged are passed over.

        Later updates give what they would have given without it.
        """

    @abstractmethod
    def module(self, lockstep: AnyLockstep, row: int) -> torch.nn.Module:
        """One training's model as a module of its own, for evaluation."""
