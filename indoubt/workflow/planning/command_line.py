"""Arguments of the rules' scripts, however many: a command line holds some 100 kB, a configuration has no limit."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable
from pathlib import Path

from indoubt.files import write_atomically

#: Characters of arguments that are written out in a command; more go into a file.
MOST = 10_000


def words(arguments: Iterable[object], folder: Path) -> str:
    """Arguments as words of a shell command; where they are many, as `@file`, which argparse reads.

    Args:
        folder: where the file lies, named by its content, so that a rule's param changes when an argument does.

    Raises:
        UserError: the file cannot be written.
    """
    plain = [str(argument) for argument in arguments]
    command = shlex.join(plain)
    if len(command) <= MOST:
        return command
    text = "".join(f"{word}\n" for word in plain)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.txt"
    if not path.exists():
        write_atomically(path, text)
    return shlex.quote(f"@{path}")
