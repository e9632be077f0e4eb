"""Which files of a user's own a file of Python imports, as far as its text tells: without importing anything.

Names are looked up where Python does: in the file's folder, in that of its package, then along `sys.path` (PYTHONPATH,
editable installs). What an installer has put into `site-packages` is a package with a version, not followed further.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from indoubt.engines.modules.origin import is_own
from indoubt.files import ROOT


def imported_files(start: Iterable[Path]) -> tuple[set[Path], set[str]]:
    """The own files that some files reach by imports, themselves included, and the other packages that they name."""
    importlib.invalidate_caches()
    files: set[Path] = set()
    packages: set[str] = set()
    waiting = list(start)
    while waiting:
        each = waiting.pop().resolve()
        if each in files:
            continue
        files.add(each)
        folder, package = package_of(each)
        for name in _names(each, package):
            found = list(_located(name, folder, each.parent))
            waiting += found
            if not found:
                packages.add(name.partition(".")[0])
    return files, packages


def package_of(file: Path) -> tuple[Path, list[str]]:
    """The folder from which a file's package is imported, and the package's names: none where it lies in none."""
    folder = file.parent
    names: list[str] = []
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        names.insert(0, folder.name)
        folder = folder.parent
    return folder, names


def stamps(files: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    """The state of some files, that says whether one has changed: name, time and size."""
    return tuple((str(each), each.stat().st_mtime_ns, each.stat().st_size) for each in sorted(files))


def _names(file: Path, package: list[str]) -> tuple[str, ...]:
    """The full names of all modules that a file may import, in the package that it lies in; read anew once changed."""
    return _names_as_of(stamps([file]), tuple(package))


@lru_cache(maxsize=4096)
def _names_as_of(stamp: tuple[tuple[str, int, int]], package: tuple[str, ...]) -> tuple[str, ...]:
    try:
        tree = ast.parse(Path(stamp[0][0]).read_bytes())
    except (SyntaxError, ValueError):  # said with its place when the file is imported; or a compiled module
        return ()
    return tuple(_imported(tree, package))


def _imported(tree: ast.AST, package: tuple[str, ...]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1]] if node.level else []
            base += [node.module] if node.module else []
            whole = ".".join(base)
            if whole:
                yield whole
            yield from (f"{whole}.{alias.name}".lstrip(".") for alias in node.names)
        elif isinstance(node, ast.Call) and _ends(node.func) in ("import_module", "__import__") and node.args:
            given = node.args[0]
            if isinstance(given, ast.Constant) and isinstance(given.value, str):
                dots = len(given.value) - len(given.value.lstrip("."))
                above = package[: len(package) - dots + 1] if dots else []
                yield ".".join([*above, given.value.lstrip(".")])


def _ends(function: ast.expr) -> str:
    """The last name of what is called: `f` of `f()` and of `a.f()`."""
    return function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")


def _located(name: str, *folders: Path) -> Iterator[Path]:
    """The own files that importing a module of this name runs: its packages' `__init__`s and itself."""
    first, *others = name.split(".")
    spec = _first(first, folders)
    for part in others:
        if spec is None or spec.submodule_search_locations is None:
            break
        yield from _files(spec)
        inner = PathFinder.find_spec(f"{spec.name}.{part}", list(spec.submodule_search_locations))
        if part == "*" and spec.origin is not None:  # whatever `__all__` names
            yield from (path for path in Path(spec.origin).parent.glob("*.py") if is_own(str(path)))
        spec = inner
    if spec is not None:
        yield from _files(spec)


def _first(name: str, folders: Iterable[Path]) -> ModuleSpec | None:
    """Where a module without a package lies, if anywhere; it is not imported."""
    if name in sys.stdlib_module_names or name == "indoubt":
        return None
    found = PathFinder.find_spec(name, [*map(str, folders), str(ROOT)])
    if found is not None:
        return found
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):  # a half-imported or made-up module has no place
        return None


def _files(spec: ModuleSpec) -> Iterator[Path]:
    """A module's own file, if it has one."""
    if spec.has_location and spec.origin is not None and is_own(spec.origin):
        yield Path(spec.origin)
