"""The code of a user's or a built-in module, as what decides its numbers: its file and what that imports."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from indoubt.engines.modules.user_code import imported_files
from indoubt.workflow.planning.code_hash import canonical

#: Packages whose versions are no part of a learner's code: ours, by its syntax trees; torch's is noted with each row.
NOT_COUNTED = {"indoubt", "torch", "__future__"}


def own_code(then: str, file: Path, more: Iterable[str] = (), live: Iterable[Path] = ()) -> str:
    """Hash of a module's own code, 16 digits: as it has been from the first, where there is no more to it.

    Args:
        then: what the engine was in such hashes.
        more: hashes of what else the learner computes with.
        live: other own files in which its code was found to stand.
    """
    files, packages = _reached(file)
    return joined([then, *learner_code(file), *beyond_its_folder([*files, *live], files, packages), *more])


def joined(parts: Iterable[str]) -> str:
    """One hash of several, 16 digits."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def beyond_its_folder(start: Iterable[Path], files: Collection[Path], packages: Collection[str]) -> list[str]:
    """Hashes of own files that some files import beside those which are known, and versions of other packages: of
    what a package holds, of packages that PYTHONPATH or an editable install finds, of built-in learners.
    """
    reached, others = imported_files(start)
    beyond = reached - {file.resolve() for file in files}
    return [*sorted(f"{file.name} {_tree_hash(file)}" for file in beyond), *sorted(versions(others - set(packages)))]


def learner_code(path: Path) -> list[str]:
    """Hashes of a file and of every module of its own folder that it imports, and versions of other packages."""
    files, packages = _reached(path)
    return [*sorted(map(_tree_hash, files)), *sorted(versions(packages))]


def _reached(path: Path) -> tuple[set[Path], set[str]]:
    """The files of its folder that a file reaches by imports, itself included, and other packages that they name."""
    files: set[Path] = set()
    packages: set[str] = set()
    waiting = [path]
    while waiting:
        each = waiting.pop()
        if each in files:
            continue
        files.add(each)
        for name in _imported(each):
            own = [path.parent / f"{name}.py", *(path.parent / name).glob("**/*.py")]
            beside = [file for file in own if file.is_file()]
            waiting += beside
            if not beside:
                packages.add(name)
    return files, packages


def _imported(path: Path) -> Iterator[str]:
    """The first part of the name of each module that a file imports; of one that is no Python, none."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # said with its place when the file is imported
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def _tree_hash(path: Path) -> str:
    """Hash of a file's syntax tree. Not remembered: a user edits the file between two measurements of one notebook."""
    content = path.read_bytes()
    try:
        text = canonical(ast.parse(content))
    except SyntaxError:
        text = content.decode(errors="replace")
    return hashlib.sha256(text.encode()).hexdigest()


def versions(packages: Collection[str]) -> Iterator[str]:
    """The installed versions of packages that are not Python's own."""
    others = set(packages) - NOT_COUNTED - set(sys.stdlib_module_names)
    distributions = _distributions() if others else {}
    for package in sorted(others):
        for distribution in distributions.get(package, []):
            yield f"{distribution}=={importlib.metadata.version(distribution)}"


@cache
def _distributions() -> Mapping[str, list[str]]:
    """What distributions each package belongs to; looking it up takes a quarter of a second."""
    return importlib.metadata.packages_distributions()
