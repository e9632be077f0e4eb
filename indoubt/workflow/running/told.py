"""Who is told how far a job is: the log of a job, or a progress bar."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from indoubt.training import Result, Training


class Told(Protocol):
    """Who is told how far a job is."""

    def begin(self, total: int, to_do: int) -> None:
        """So many trainings the job has, and so many of them are not in the ledger."""

    def trained(self, training: Training, result: Result) -> None:
        """One of them is done."""


class Printed:
    """Says it on standard error, a line for each training."""

    def __init__(self, label: str) -> None:
        self._label, self._started = label, time.monotonic()
        self._to_do = self._done = 0

    def begin(self, total: int, to_do: int) -> None:
        self._to_do = to_do
        print(f"{self._label}: {total} trainings, {to_do} to do", file=sys.stderr)

    def trained(self, training: Training, result: Result) -> None:
        self._done += 1
        left = (time.monotonic() - self._started) / self._done * (self._to_do - self._done)
        print(
            f"seed {training.seed}, block {training.block}: {result.status} in {result.seconds:.1f} s; "
            f"{self._done} of {self._to_do} trainings done, about {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )
