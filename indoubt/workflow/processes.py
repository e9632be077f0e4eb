"""The processes of a run: one run in a results folder at a time, a GPU for each job, and how all of them are stopped.

A second run is told so before it touches anything of the first.

Snakemake counts GPUs, but gives none of them to a job by number. A job takes a slot, a kernel lock on a file of this
machine, and sees through `CUDA_VISIBLE_DEVICES` the slot's device alone. The kernel frees the lock when the process
ends, however it ends. Where SLURM has given the job one device already, and where there are no GPUs, nothing is done;
of several in one allocation each job takes one. Must be entered before torch is imported.

A run is a program that people start, Snakemake in a session of its own below it, and Snakemake's jobs. Whoever of them
is told to end, and by which signal, all of them do; a training saves its state first (`engines.saved_states`).
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, Any

import psutil

from indoubt.errors import UserError

#: The file that a run locks, below the results; the kernel frees it when the run ends, however it ends.
NAME = ".run.lock"
#: Where Snakemake keeps its own locks; these stay when it is killed.
SNAKEMAKES = Path(".snakemake/locks")


@contextmanager
def only_run(results: Path) -> Iterator[int]:
    """Hold a results folder's lock while it lasts.

    Returns:
        The lock's file descriptor. A program that inherits it (Snakemake, `pass_fds`) holds the lock too, even when the
        run that started it was killed.

    Raises:
        UserError: another run has it, or the folder cannot be written.
    """
    path = results / NAME
    try:
        results.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; check rights and free space, then run again"
        ) from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(
                f"another run is at work in this folder{_whose(path)}; wait for its end, or stop it, then run again: "
                "nothing of it was touched"
            ) from None
        except OSError:  # some network file systems have no locks; Snakemake's own is left
            pass
        with contextlib.suppress(OSError):  # a full disk; the number is for people alone
            os.truncate(lock, 0)
            os.write(lock, f"{os.getpid()}\n".encode())
        yield lock
    finally:
        os.close(lock)


def snakemake_has_locked() -> bool:
    """Whether Snakemake's lock lies in this folder."""
    return any(SNAKEMAKES.glob("*.lock"))


def _whose(path: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        return f" (process {int(path.read_text(encoding='utf-8'))})"
    return ""


#: Seconds between two looks for a free slot.
LOOK_EVERY = 0.2


@contextmanager
def gpu_slot(device: str, slots_per_gpu: int) -> Iterator[str | None]:
    """Hold a slot while it lasts, waiting for one if need be; gives the device, or None where nothing is done.

    Args:
        device: `cpu`, `cuda` or `auto`; with `cpu` no slot is taken.
    """
    devices = [] if device == "cpu" else visible_devices()
    if not devices or (len(devices) == 1 and "SLURM_JOB_ID" in os.environ):
        yield None
        return
    with ExitStack() as stack:
        taken = take_slot(stack, devices, slots_per_gpu, lock_folder())
        before = os.environ.get("CUDA_VISIBLE_DEVICES")
        os.environ["CUDA_VISIBLE_DEVICES"] = taken
        try:
            yield taken
        finally:
            os.environ.pop("CUDA_VISIBLE_DEVICES") if before is None else os.environ.update(CUDA_VISIBLE_DEVICES=before)


def take_slot(stack: ExitStack, devices: list[str], slots_per_gpu: int, folder: Path) -> str:
    """Take a free slot until `stack` is closed; returns its device. Devices fill up evenly.

    Jobs that find none free queue up for a lock of its own, which the kernel hands on in the order of asking, and only
    the first in the queue looks for a slot: so none is passed over for ever.
    """
    with _opened(folder / "queue") as queue:
        fcntl.flock(queue, fcntl.LOCK_EX)
        while True:
            for slot in range(slots_per_gpu):
                for device in devices:
                    file = _opened(folder / f"gpu-{device.replace('/', '_')}-{slot}")
                    try:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    except BlockingIOError:
                        file.close()
                    else:
                        stack.enter_context(file)
                        return device
            time.sleep(LOOK_EVERY)


def visible_devices() -> list[str]:
    """The GPUs (or parts of them, `MIG-...`) that this process may use.

    Those of `CUDA_VISIBLE_DEVICES` if it is set, up to the first that is none, as CUDA reads it; of a SLURM job or step
    where it is not, those that SLURM names; else all of the driver's.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None and "SLURM_JOB_ID" in os.environ:
        given = os.environ.get("SLURM_STEP_GPUS", os.environ.get("SLURM_JOB_GPUS", ""))
    if given is not None:
        named = (device.strip() for device in given.split(","))
        return list(itertools.takewhile(lambda device: device not in ("", "-1", "NoDevFiles"), named))
    command = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.split() if done.returncode == 0 else []


def lock_folder() -> Path:
    """This user's lock files on this machine; never on a file system that machines share.

    A SLURM job, and a step of one, has its own: it counts its devices from 0, whichever they are.
    """
    of_slurm = [os.environ[name] for name in ("SLURM_JOB_ID", "SLURM_STEP_ID") if name in os.environ]
    return Path(tempfile.gettempdir()) / "-".join([f"doubt-gpu-slots-{os.getuid()}", *of_slurm])


def _opened(path: Path) -> IO[str]:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path.open("a")
    except OSError as error:
        raise UserError(f"the lock {path} cannot be opened: {error.strerror}; set TMPDIR to a local folder") from error


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
