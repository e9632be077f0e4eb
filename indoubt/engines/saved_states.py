"""States of trainings that are not finished, on disk, so that what was killed goes on where it stopped.

SIGTERM, SIGINT and SIGHUP are noted while trainings run, so that what is done can be saved before the process ends.
"""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

import torch

from indoubt.engines.backend import State
from indoubt.engines.devices import elsewhere, made_with
from indoubt.files import replacing
from indoubt.training import Result, Seen, digest

#: What ends a process: a scheduler or `kill`, Ctrl-C, a terminal that is closed.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Termination:
    """Whether the process has been told to end while it listened, and by which signal; one that comes again, or another
    that follows, changes nothing.
    """

    def __init__(self) -> None:
        self.by: signal.Signals | None = None

    @property
    def told(self) -> bool:
        return self.by is not None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While it lasts, signals that end a process are noted instead; in a side thread nothing can listen.

        A SIGHUP that is ignored (`nohup`) stays so. A SIGINT that is ignored does not: a shell that starts a program in
        the background has it ignored, and nobody would know that it cannot be stopped by it.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: FrameType | None) -> None:
            self.by = self.by or signal.Signals(number)

        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        before = {number: signal.signal(number, note) for number in ENDING if not (number == signal.SIGHUP and ignored)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def end_if_told(self) -> None:
        """End the process with status 128 + the signal's number, if it was told to end: all is saved by now."""
        if self.by is not None:
            print(
                f"told to end ({self.by.name}): what is done is saved, run again to resume from there",
                file=sys.stderr,
                flush=True,
            )
            sys.exit(128 + self.by)


#: Seconds between two saves.
SAVE_EVERY = 120.0


@dataclass(frozen=True)
class SavedState:
    """What a file holds: trainings by key after `done` updates each, and what their engine needs to go on.

    `finished` has for each training the results of its chain's earlier blocks, `seen` what it gave at its milestones,
    `diverged_after` after how many updates it was found to have diverged, or None; `steps` counts Adam's steps in
    earlier blocks.
    """

    keys: list[str]
    state: State
    done: int
    steps: int
    seconds: float
    diverged_after: list[int | None]
    seen: list[Seen]
    finished: list[list[Result]]


class SavedStates:
    """A folder of states; without a folder nothing is saved.

    A state is resumed only on the device, and under the torch, that it was made with: its numbers are recorded as those
    of whoever finishes it.
    """

    def __init__(self, folder: Path | None, device: torch.device) -> None:
        self._folder = folder
        self._made_with = made_with(device) if folder is not None else {}
        self._saved_at = time.monotonic()
        self._termination = Termination()

    @property
    def wanted(self) -> bool:
        """Whether anything is saved at all."""
        return self._folder is not None

    @property
    def must_end(self) -> bool:
        """Whether the process has been told to end."""
        return self._termination.told

    def due(self) -> bool:
        """Whether it is time to save, or the process has been told to end."""
        return self.must_end or (self.wanted and time.monotonic() - self._saved_at > SAVE_EVERY)

    def end_if_told(self) -> None:
        """End the process, if it was told to: all is saved by now."""
        self._termination.end_if_told()

    def listening(self) -> AbstractContextManager[None]:
        """While it lasts, SIGTERM lets the running update end and the state be saved."""
        return self._termination.listening() if self.wanted else nullcontext()

    def save(self, saved: SavedState) -> Path | None:
        """Write a state, whole or not at all; returns where.

        A state that cannot be written (the disk is full) is said so and does not stop the training: None.
        """
        self._saved_at = time.monotonic()
        if self._folder is None:
            return None
        path = self._folder / f"{digest(saved.keys)}.pt"
        content = vars(saved) | {
            "seen": [vars(each) for each in saved.seen],
            "finished": [[asdict(result) for result in results] for results in saved.finished],
            "made_with": self._made_with,
        }
        try:
            with replacing(path) as file:
                torch.save(content, file)
        except (OSError, RuntimeError) as error:  # torch says RuntimeError when the disk is full
            print(f"warning: the state {path} cannot be saved: {error}; training continues", file=sys.stderr)
            return None
        return path

    def read(self) -> Iterator[tuple[Path, SavedState]]:
        """The states that are there and of use; damaged ones are removed, those of others are left alone."""
        for path in sorted(self._folder.glob("*.pt")) if self._folder is not None else []:
            if not path.exists():  # it has been removed meanwhile, with its trainings done
                continue
            try:
                content = torch.load(path, map_location="cpu", weights_only=True)
                made = content.pop("made_with")
                content["seen"] = [Seen(**each) for each in content["seen"]]
                content["finished"] = [[Result(**each) for each in results] for results in content["finished"]]
                saved = SavedState(**content)
            except Exception as error:  # torch raises whatever a damaged file makes it stumble over
                print(
                    f"warning: the state {path} is damaged ({error}); its trainings start again",
                    file=sys.stderr,
                )
                remove(path)
                continue
            if made == self._made_with:
                yield path, saved
            else:
                print(
                    f"notice: {elsewhere(path, made, self._made_with)}; its trainings start again",
                    file=sys.stderr,
                )


def remove(path: Path) -> None:
    """Remove a state that nobody needs any more."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
