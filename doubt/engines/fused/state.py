"""The saved state of a lockstep, so that what was killed goes on where it stopped."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from doubt.engines.devices import elsewhere, made_with
from doubt.engines.fused.arrays.parameters import Parameters
from doubt.engines.termination import Termination
from doubt.training import Result, Training, digest

#: Seconds between two saves of a lockstep.
SAVE_EVERY = 120.0


@dataclass(frozen=True)
class Saved:
    """Some rows of a lockstep's saved state, in the order of the trainings that go on from them."""

    state: dict[str, Any]
    rows: list[int]

    def of(self, part: slice) -> Saved:
        """The rows of some of the trainings."""
        return Saved(self.state, self.rows[part])

    def into(self, tensors: dict[str, Parameters], places: Sequence[int]) -> None:
        """Load weights and moments; `places` says for each model of the lockstep which of the trainings it does."""
        for name, flat in self.state["tensors"].items():
            saved = tensors[name].like(len(self.state["keys"]))
            saved.flat.copy_(flat)
            for row, place in enumerate(places):
                tensors[name].put(row, saved, self.rows[place])


class Saver:
    """Saves states into a folder; without a folder it does nothing.

    A state is resumed only on the device, and under the torch, that it was made with: its numbers are recorded as those
    of whoever finishes it.
    """

    def __init__(self, folder: Path | None, device: torch.device) -> None:
        self.folder = folder
        self._made_with = made_with(device) if folder is not None else {}
        self.termination = Termination()
        self._time = time.monotonic()
        self._written: set[Path] = set()
        self._taken: set[Path] = set()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def due(self) -> bool:
        """Whether it is time to save, or the process has been told to end."""
        return self.termination.told or (self.folder is not None and time.monotonic() - self._time > SAVE_EVERY)

    def save(
        self,
        trainings: Sequence[Training],
        finished: Sequence[Sequence[Result]],
        tensors: dict[str, Parameters],
        numbers: dict[str, Any],
    ) -> None:
        """Write a state, whole or not at all; that it cannot be written is said so and does not stop the training.

        Args:
            finished: for each training the results of its chain's earlier blocks.
            tensors: weights and moments, row by row those of the trainings.
            numbers: what else the lockstep needs.
        """
        self._time = time.monotonic()
        if self.folder is None:
            return
        keys = [training.key for training in trainings]
        state = {
            "keys": keys,
            "finished": [[asdict(result) for result in results] for results in finished],
            "tensors": {name: parameters.flat for name, parameters in tensors.items()},
            "numbers": numbers,
            "made_with": self._made_with,
        }
        path = self.folder / f"{digest(keys)}.pt"
        unfinished = path.with_suffix(f".{os.getpid()}")
        try:
            torch.save(state, unfinished)
            unfinished.replace(path)
        except (OSError, RuntimeError) as error:  # torch says RuntimeError when the disk is full
            print(f"warning: the state {path} cannot be saved: {error}; training goes on", file=sys.stderr)
            unfinished.unlink(missing_ok=True)
            return
        for old in self._taken - {path}:
            old.unlink(missing_ok=True)
        self._taken.clear()
        self._written.add(path)

    def forget(self) -> None:
        """Remove the states that have been written or taken up: all their results are out."""
        for path in self._written | self._taken:
            path.unlink(missing_ok=True)
        self._written.clear()
        self._taken.clear()

    def leave(self) -> None:
        """Leave the states that have been written or taken up to a later process."""
        self._written.clear()
        self._taken.clear()

    def saved(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """The states in the folder that can be resumed here; call `take` for each that is. Damaged ones are removed."""
        for path in sorted(self.folder.glob("*.pt")) if self.folder is not None else []:
            try:
                state = torch.load(path, map_location="cpu", weights_only=True)
                made = state["made_with"]
            except Exception as error:  # torch raises whatever a damaged file makes it stumble over
                print(f"warning: the state {path} is damaged ({error}); its trainings begin anew", file=sys.stderr)
                path.unlink(missing_ok=True)
                continue
            if made == self._made_with:
                yield path, state
            else:
                print(f"notice: {elsewhere(path, made, self._made_with)}; its trainings begin anew", file=sys.stderr)

    def take(self, path: Path) -> None:
        """A state is gone on with: it ends when it is saved anew, or when its results are out."""
        self._taken.add(path)

    def listening(self) -> AbstractContextManager[None]:
        """While it lasts, SIGTERM lets the running update end and the state be saved."""
        return nullcontext() if self.folder is None else self.termination.listening()
