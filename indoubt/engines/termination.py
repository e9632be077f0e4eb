"""SIGTERM, SIGINT and SIGHUP during trainings: noted, so that what is done can be saved before the process ends."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

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
