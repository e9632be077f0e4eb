"""How far the reference engine is with a chain of trainings, and what it needs to go on from there."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import torch

from doubt.engines.reference.optimisation import Optimizer
from doubt.engines.reference.saved_state import SavedState
from doubt.training import Result, Seen, Training


class Course:
    """The place in the chain and in its training, with Python's random stream; torch's is set before every update.

    `place` and `update` say what comes next, `seconds` how long the training at that place has taken so far, `seen`
    what it gave at its milestones; `finished` holds the results of the trainings before it. The released streams draw a
    training's batches from Python's stream before its first update, so the stream's state at that moment,
    `_stream_before`, is kept too.
    """

    def __init__(self, saved: SavedState) -> None:
        self.place = 0
        self.update = 0
        self.seconds = 0.0
        self.seen = Seen()
        self.finished: list[Result] = []
        self._saved = saved
        self._started = time.monotonic()
        self._stream_before = random.getstate()
        self._stream: Any = None

    def resume(self, chain: Sequence[Training], model: torch.nn.Module, optimizer: Optimizer) -> bool:
        """Go on from a saved state, if there is one; returns whether the model is in the midst of a training.

        A state that has passed a milestone at which more is asked now than was seen then is of no use.
        """
        state = self._saved.load()
        if state is None:
            return False
        numbers = json.loads(state["numbers"])
        seen = Seen(**numbers["seen"])
        if not seen.has_all(chain[numbers["place"]], numbers["update"]):
            return False
        self.seen = seen
        self.place, self.update, self.seconds = numbers["place"], numbers["update"], numbers["seconds"]
        self.finished = [Result(**result) for result in numbers["finished"]]
        self._stream_before, self._stream = (_stream(numbers[key]) for key in ("stream_before", "stream"))
        random.setstate(self._stream_before)
        optimizer.go_on(state["optimizer"], self.update)
        if self.update > 0:
            model.load_state_dict(state["model"])
        return self.update > 0

    def begin(self, batches: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The batches that are still to come, with the stream in the state in which the next update found it."""
        self._started = time.monotonic() - self.seconds
        if self.update == 0:
            self._stream_before = random.getstate()
            return batches
        random.setstate(self._stream_before)
        for _ in range(self.update):
            next(batches)
        random.setstate(self._stream)
        return batches

    def updated(self, update: int, model: torch.nn.Module, optimizer: Optimizer) -> None:
        """So many updates are done: save the state, if it is time to."""
        if self._saved.due():
            self._save(update, optimizer, model.state_dict(), time.monotonic() - self._started)

    def next_training(self, result: Result, optimizer: Optimizer) -> None:
        """A training of several is finished: save its result and what is carried over, then come to the next."""
        self.finished.append(result)
        self.place, self.update, self.seconds, self.seen = self.place + 1, 0, 0.0, Seen()
        self._stream_before = random.getstate()
        self._save(0, optimizer, {}, 0.0)

    def _save(self, update: int, optimizer: Optimizer, weights: dict[str, torch.Tensor], seconds: float) -> None:
        numbers = {
            "place": self.place,
            "update": update,
            "seconds": seconds,
            "seen": vars(self.seen),
            "finished": [asdict(result) for result in self.finished],
            "stream_before": self._stream_before,
            "stream": random.getstate(),
        }
        self._saved.save({"numbers": json.dumps(numbers), "optimizer": optimizer.state(), "model": weights})


def _stream(state: list[Any]) -> tuple[Any, ...]:
    """A state of Python's generator as it was before JSON made lists of its tuples."""
    version, internal, following = state
    return version, tuple(internal), following
