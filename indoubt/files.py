"""Where the project lies, and files written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from indoubt.errors import UserError

PACKAGE = Path(__file__).resolve().parent
#: Whether this is an installed copy: the project's other files then lie below the package, and not beside it.
INSTALLED = (PACKAGE / "project").is_dir()
#: The folder of the project: Snakefile, tasks, learners, presets, rules and scripts lie in it.
ROOT = PACKAGE / "project" if INSTALLED else PACKAGE.parent
#: Bytes of a file's name, at most: file systems take 255, and it gets an ending, and is longer while it is written.
LONGEST = 220


def python_path() -> str:
    """The `PYTHONPATH` of a process that is to import this package, from wherever it is started."""
    return os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))


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


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` once it is whole, on disk: a reader, or a run after a crash, sees
    the old file or the new one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        unfinished = Path(file.name)
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            unfinished.chmod(0o644)
            unfinished.replace(path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a text, or bytes, by `replacing`.

    Raises:
        UserError: the folder cannot be written or the disk is full.
    """
    try:
        with replacing(path) as file:
            file.write(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise UserError(
            f"cannot write {path}: {error.strerror}; check rights and free space, then run again"
        ) from error
