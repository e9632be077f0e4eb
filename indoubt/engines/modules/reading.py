"""What a learner's code reads from outside while it is imported, built and run: files, and the environment.

Python tells of each file that it opens (PEP 578), whoever opens it: `open`, `torch.load`, `numpy.load`, ... What counts
is what a user's code asks for, itself or through a library; not what Python's import or a compiler reads for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from indoubt.engines.modules.origin import is_own

#: Modules that read files for themselves, by the first names of their own: what is opened under them is no reading.
READERS = ("importlib", "_frozen_importlib", "zipimport", "linecache", "tokenize", "inspect", "triton")
COMPILERS = ("torch._dynamo", "torch._inductor", "torch.jit", "torch.package")
#: Modules between a user's code and the environment.
BETWEEN = ("os", "collections.abc", "_collections_abc")
#: What is no file of anybody's.
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/")


@dataclass
class Reading:
    """What was read: the files, by hash of what they hold, and variables of the environment, None where not set."""

    files: dict[Path, str] = field(default_factory=dict)
    variables: dict[str, str | None] = field(default_factory=dict)

    def __or__(self, other: Reading) -> Reading:
        return Reading(self.files | other.files, self.variables | other.variables)

    def parts(self) -> list[str]:
        """The content, without the places where files lie: a folder may be moved."""
        variables = [f"{name}={value!r}" for name, value in self.variables.items()]
        return sorted({*(f"read {digest}" for digest in self.files.values()), *variables})


_here = threading.local()


@contextlib.contextmanager
def reading() -> Iterator[Reading]:
    """While it lasts, what a user's code reads in this thread is noted; the files' hashes are there at its end."""
    _listen()
    found, before = Reading(), getattr(_here, "reading", None)
    _here.reading = found
    try:
        yield found
    finally:
        _here.reading = before
        for path in list(found.files):
            try:
                with path.open("rb") as file:
                    found.files[path] = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:  # no more there, as of a temporary file
                del found.files[path]
        if before is not None:
            before.files |= found.files
            before.variables |= found.variables


@cache
def _listen() -> None:
    """Have Python and `os.environ` tell; for good, since Python takes no such listener back."""
    sys.addaudithook(_opened)
    kind: Any = type(os.environ)
    original = kind.__getitem__

    def looked_up(self: Any, key: str) -> Any:
        found: Reading | None = getattr(_here, "reading", None)
        if found is not None and isinstance(key, str) and _asked_by_own(BETWEEN):
            found.variables[key] = None
            value = found.variables[key] = original(self, key)
            return value
        return original(self, key)

    kind.__getitem__ = looked_up


def _opened(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in ("open", "sqlite3.connect"):
        return
    found: Reading | None = getattr(_here, "reading", None)
    if found is None or isinstance(arguments[0], int) or not _is_read(event, arguments):
        return
    _here.reading = None  # what is looked up below may open files itself
    try:
        path = Path(os.fsdecode(arguments[0]))
        if path.is_file() and not str(path.resolve()).startswith(SYSTEM) and _is_users(path) and _asked_by_own():
            found.files[path.resolve()] = ""
    except (TypeError, ValueError, OSError):
        pass
    finally:
        _here.reading = found


def _is_read(event: str, arguments: tuple[Any, ...]) -> bool:
    if event != "open":
        return True
    mode, flags = arguments[1], arguments[2] if len(arguments) > 2 else 0
    if isinstance(mode, str):
        return "r" in mode
    return not int(flags or 0) & (os.O_WRONLY | os.O_CREAT)


def _is_users(path: Path) -> bool:
    return path.suffix not in (".pyc", ".so") and is_own(str(path))


def _asked_by_own(between: tuple[str, ...] | None = None) -> bool:
    """Whether a user's code asks for what is being read; through no import and no compiler.

    Args:
        between: the only modules that may stand between; None: any library.
    """
    frame = sys._getframe(2)
    while frame is not None:
        name, file = str(frame.f_globals.get("__name__", "")), frame.f_code.co_filename
        if name != __name__:
            if name.startswith(("indoubt.", *COMPILERS)) or name.partition(".")[0] in READERS:
                return False
            if is_own(file) and (name == "__main__" or not file.startswith("<") or file.startswith("<ipython")):
                return True
            if between is not None and name not in between:
                return False
        frame = frame.f_back  # type: ignore[assignment]
    return False
