"""Whose a file of code is: a user's, which may change, or what an installer or Python itself has put there."""

from __future__ import annotations

import importlib.metadata
import site
import sysconfig
from functools import cache
from pathlib import Path

from indoubt.files import ROOT


@cache
def is_own(file: str) -> bool:
    """Whether code of this file is a user's, which may change: none of Python's, of this package or of what an
    installer has put into `site-packages` and knows by a version. What is no file (a notebook's cell) is a user's too.
    """
    path = Path(file).resolve()
    if path.is_relative_to(ROOT / "indoubt"):
        return False
    for folder in _site_packages():
        if path.is_relative_to(folder):  # a copied folder has no version
            return path.relative_to(folder).parts[0].partition(".")[0] not in _of_distributions()
    return not any(path.is_relative_to(folder) for folder in _python())


@cache
def _site_packages() -> tuple[Path, ...]:
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()]
    return tuple({Path(folder).resolve() for folder in [*folders, *site.getsitepackages()]})


@cache
def _python() -> tuple[Path, ...]:
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")})


@cache
def _of_distributions() -> frozenset[str]:
    """The first names of all that an installer has put into `site-packages`."""
    return frozenset(importlib.metadata.packages_distributions()) | {"__pycache__"}
