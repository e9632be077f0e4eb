"""How a run is stopped: the signals that end it, and the end of all its processes.

A run is a program that people start, Snakemake in a session of its own below it, and Snakemake's jobs. Whoever of them
is told to end, and by which signal, all of them do; a training saves its state first (`engines.saved_states`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import psutil

#: Ctrl-C, `kill` or a scheduler, a terminal that is closed, Ctrl-\\.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
#: Seconds that the processes of a run have to save what they have and to end.
PATIENCE = 60.0
#: What Snakemake starts a job's command in.
SHELLS = ("bash", "sh")


class Stopped(BaseException):
    """The run was told to end. Like KeyboardInterrupt it is nothing that goes wrong within the run."""


class Stop:
    """Listens to the signals that end a run. The first raises `Stopped`; none that follows changes anything."""

    def __init__(self) -> None:
        self.by: signal.Signals | None = None
        self._held = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While it lasts, signals raise `Stopped` in the main thread.

        A SIGHUP that is ignored (`nohup`) stays so. A SIGINT that is ignored does not: shells have it ignored for what
        a script starts with `&`, and it is inherited. Programs started meanwhile have the signals' own effects.
        """
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        numbers = [number for number in ENDING if not (number == signal.SIGHUP and ignored)]
        before = {number: signal.signal(number, self._note) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """While it lasts, a signal is only noted in `by`, so that nothing is left half done."""
        before, self._held = self._held, True
        try:
            yield
        finally:
            self._held = before

    def raise_if_told(self) -> None:
        """Raise `Stopped` if a signal was noted."""
        if self.by is not None:
            raise Stopped

    def _note(self, number: int, frame: FrameType | None) -> None:
        first, self.by = self.by is None, self.by or signal.Signals(number)
        if first and not self._held:
            raise Stopped


class Group:
    """A program in a session of its own, with all processes that it starts.

    Args:
        command: the program and its arguments.
        options: those of `subprocess.Popen`.
    """

    def __init__(self, command: list[str], **options: Any) -> None:
        self.process = subprocess.Popen(command, start_new_session=True, **options)

    def wait(self, seconds: float) -> bool:
        """Wait so long for the program's end; returns whether it has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.returncode is not None

    def end(self, patience: float = PATIENCE) -> None:
        """Tell all processes to end, and kill those that have not done so in time; returns when none is left."""
        for number in (signal.SIGINT, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)
            deadline = time.monotonic() + patience
            while self._is_alive():
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
            else:
                return

    def _is_alive(self) -> bool:
        """Whether any process of the group runs; one that has ended and that nobody asked after does not."""
        self.process.poll()
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):  # it has ended in between, or is another user's
                if os.getpgid(process.pid) == self.process.pid and process.status() != psutil.STATUS_ZOMBIE:
                    return True
        return False


def stop_as_by_ctrl_c() -> None:
    """Let SIGINT, SIGTERM and SIGHUP end the Snakemake that this process is, and its jobs; once is as good as twice.

    Snakemake's own answers: to SIGTERM, it waits for all running jobs; to SIGINT, it waits for jobs that were told
    nothing unless a terminal told them; to a second SIGINT, it leaves jobs behind and the folder locked.
    """
    told: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        if not told:
            told.append(number)
            for job in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if job.name() not in SHELLS:  # which end with what they wait for
                        job.terminate()
            raise KeyboardInterrupt

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if not (each == signal.SIGHUP and signal.getsignal(each) is signal.SIG_IGN):
            signal.signal(each, end)
