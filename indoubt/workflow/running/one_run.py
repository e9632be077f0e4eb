"""One run in a results folder at a time: a second one is told so before it touches anything of the first."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
