"""Where the project lies, and files written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from indoubt.errors import UserError

#: The folder of the project: Snakefile, tasks, scripts and this package lie in it.
ROOT = Path(__file__).resolve().parent.parent
#: Bytes of a file's name, at most: file systems take 255, and it gets an ending, and is longer while it is written.
LONGEST = 220


def read_text(path: Path, remedy: str) -> str:
    """The text of a file of the workflow's making.

    Raises:
        UserError: it is missing, and `remedy` says how it is made, or it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; {remedy}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def as_file_name(name: str) -> str:
    """A name of parts as a file's: itself, or, where file systems would not take it, its start and a digest of it."""
    if len(name.encode()) <= LONGEST:
        return name
    return f"{name.encode()[: LONGEST - 17].decode(errors='ignore')}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def write_atomically(path: Path, text: str) -> None:
    """Write `text` to `path` so that a reader, or a run after a crash, sees the old file or the new one, whole.

    Raises:
        UserError: the folder cannot be written or the disk is full.
    """
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=f".{path.name}.", delete=False
        ) as file:
            temporary = Path(file.name)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise UserError(
            f"cannot write {path}: {error.strerror}; check rights and free space, then run again"
        ) from error
