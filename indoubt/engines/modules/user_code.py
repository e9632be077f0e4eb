"""A user's own code: whose a file is, which files it imports, and what it reads from outside while it runs.

What is imported is told from the text, without importing anything. Names are looked up where Python does: in the file's
folder, in that of its package, then along `sys.path` (PYTHONPATH, editable installs). What an installer has put into
`site-packages` is a package with a version, not followed further.

What is read, Python tells (PEP 578), whoever opens it: `open`, `torch.load`, `numpy.load`, ... What counts is what a
user's code asks for, itself or through a library, files and the environment; not what Python's import or a compiler
reads for it.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import os
import site
import sys
import sysconfig
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from indoubt.files import INSTALLED, PACKAGE, ROOT


@cache
def is_own(file: str) -> bool:
    """Whether code of this file is a user's, which may change: none of Python's, of this package or of what an
    installer has put somewhere and knows by a version. What is no file (a notebook's cell) is a user's too.
    """
    path = Path(file).resolve()
    if INSTALLED and path.is_relative_to(ROOT):  # a built-in learner, which in a clone lies beside the package
        return True
    if path.is_relative_to(PACKAGE):
        return False
    for place in (Path(file).absolute(), path):  # some installers link to where they keep what they have unpacked
        first = _first_below_packages(place)
        if first is not None:  # a copied folder has no version
            return first not in _of_distributions()
    return not any(path.is_relative_to(folder) for folder in _python())


def _first_below_packages(path: Path) -> str | None:
    """The first name of a file's path below a folder that installers fill, if it lies in one, of this Python or not."""
    folders = [*_package_folders(), *(each for each in path.parents if each.name in ("site-packages", "dist-packages"))]
    below = next((path.relative_to(folder) for folder in folders if path.is_relative_to(folder)), None)
    return None if below is None else below.parts[0].partition(".")[0]


@cache
def _package_folders() -> tuple[Path, ...]:
    """Python's own, and those of `sys.path` (PYTHONPATH, `.pth` files) in which an installer has left its notes."""
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), site.getusersitepackages()]
    folders += [*site.getsitepackages(), *(each for each in sys.path if any(Path(each or ".").glob("*.dist-info")))]
    return tuple({each for folder in folders for each in (Path(folder).absolute(), Path(folder).resolve())})


@cache
def _python() -> tuple[Path, ...]:
    return tuple({Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")})


@cache
def _of_distributions() -> frozenset[str]:
    """The first names of all that an installer has put into `site-packages`."""
    return frozenset(importlib.metadata.packages_distributions()) | {"__pycache__"}


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
