"""SIGTERM during trainings: noted, so that what is done can be saved before the process ends."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Termination:
    """Whether the process has been told to end while it listened."""

    def __init__(self) -> None:
        self.told = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While it lasts, SIGTERM sets `told` instead of ending the process; in a side thread nothing can listen."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: FrameType | None) -> None:
            self.told = True

        before = signal.signal(signal.SIGTERM, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    def end_if_told(self) -> None:
        """End the process with status 143, if it was told to end: all is saved by now."""
        if self.told:
            print(
                "told to end (SIGTERM): what is done is saved, run again to go on from there",
                file=sys.stderr,
                flush=True,
            )
            sys.exit(128 + signal.SIGTERM)
