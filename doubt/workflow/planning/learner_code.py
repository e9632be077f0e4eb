"""The code of a user's or a built-in module, as what decides its numbers: its file and what that imports."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

from doubt.workflow.planning.code_hash import canonical

#: Packages whose versions are no part of a learner's code: ours, by its syntax trees; torch's is noted with each row.
NOT_COUNTED = {"doubt", "torch", "__future__"}


def learner_code(path: Path) -> list[str]:
    """Hashes of a file and of every module of its own folder that it imports, and versions of other packages."""
    files, packages = _reached(path)
    return [*sorted(map(_tree_hash, files)), *sorted(_versions(packages))]


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


def _versions(packages: set[str]) -> Iterator[str]:
    """The installed versions of packages that are not Python's own."""
    others = packages - NOT_COUNTED - set(sys.stdlib_module_names)
    if not others:  # the look-up is slow
        return
    distributions = importlib.metadata.packages_distributions()
    for package in others:
        for distribution in distributions.get(package, []):
            yield f"{distribution}=={importlib.metadata.version(distribution)}"
