"""A learner's class that was given from Python: what a definition calls it."""

from __future__ import annotations

import sys
from pathlib import Path

from torch import nn

from indoubt.engines.modules.loader import GIVEN, GIVEN_OF_FILES


def named(learner: type[nn.Module]) -> str:
    """What a definition calls a class: the file that it lies in, or, of one without a file, a name of its own.

    Either way it is the class as it is in memory that is trained.
    """
    file = getattr(sys.modules.get(learner.__module__), "__file__", None)
    if file is None or learner.__module__ == "__main__":
        name = f"{learner.__name__} of this session"
        GIVEN[name] = learner
        return name
    GIVEN_OF_FILES[Path(file).resolve(), learner.__name__] = learner
    return f"{file}:{learner.__name__}"


def forget_given(module: str) -> None:
    """Have a file that a definition names count as it is on disk, whatever class of it was given before."""
    path, _, _ = module.partition(":")
    for file, name in list(GIVEN_OF_FILES):
        if path.endswith(".py") and file == Path(path).resolve():
            del GIVEN_OF_FILES[file, name]
