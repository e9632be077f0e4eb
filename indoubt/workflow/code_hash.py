"""What the code computes, as a hash: its syntax trees without comments and docstrings, and the C code beside it.

A rule takes the hash of its script and of all that the script imports from here as a param, so that Snakemake re-runs
it when, and only when, the code that makes its result has changed. What a training is filed under is said in
`workflow.identity`; here is also the hash of a user's or a built-in module, of its file and what that imports.

A file's hash holds, in place of the name of a module that it imports, that module's own hash: where files lie, and how
modules are called, is no part of what they compute.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from indoubt.engines.modules.user_code import imported_files
from indoubt.files import PACKAGE, ROOT

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
#: Modules that decide no number: messages for people.
WITHOUT_EFFECT = {"indoubt", "indoubt.errors"}


def code_hash(*entries: str | Path) -> str:
    """Hash of some files (paths relative to the repository) and of every module of ours that they import, 16 digits."""
    return _digest(sorted(file_hash(_located(entry)) for entry in entries))


def content_hash(*patterns: str) -> str:
    """Hash of the files below the repository that match patterns: templates and the like, 16 digits."""
    paths = sorted(path for pattern in patterns for path in _glob(pattern) if path.is_file())
    return _digest(f"{path.name}:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in paths)


def canonical(tree: ast.AST) -> str:
    """A syntax tree as text that is the same on every Python version; empty fields and docstrings left out."""
    if isinstance(tree, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        body = tree.body
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            tree.body = body[1:] if isinstance(body[0].value.value, str) else body
    if isinstance(tree, ast.Import | ast.ImportFrom):
        return _import(tree)
    fields = []
    for name, value in ast.iter_fields(tree):
        if isinstance(value, ast.AST):
            fields.append(f"{name}={canonical(value)}")
        elif isinstance(value, list) and value:
            parts = (canonical(v) if isinstance(v, ast.AST) else repr(v) for v in value)
            fields.append(f"{name}=[{','.join(parts)}]")
        elif value is not None and not isinstance(value, list):
            fields.append(f"{name}={value!r}")
    return f"{type(tree).__name__}({','.join(fields)})"


def _import(node: ast.Import | ast.ImportFrom) -> str:
    """An import as text: of our own modules the hash and the names bound, of others what stands there."""
    module = node.module if isinstance(node, ast.ImportFrom) else None
    said = []
    for alias in node.names:
        whole = f"{module}.{alias.name}" if module else alias.name
        if _is_ours(whole) and _files(whole):  # a module
            said.append(f"{alias.asname or ('' if module is None else alias.name)}={_module_hash(whole)}")
        elif module is not None and _is_ours(module):
            said.append(f"{alias.asname or alias.name}={_module_hash(module)}:{alias.name}")
        else:
            said.append(f"{alias.asname or ''}={whole}")
    return f"Import({','.join(said)})"


def _is_ours(module: str) -> bool:
    return module == "indoubt" or module.startswith("indoubt.")


def _module_hash(module: str) -> str:
    """Hash of a module of ours; of those without effect, nothing."""
    return "" if module in WITHOUT_EFFECT else _digest(file_hash(path) for path in _files(module))


@cache
def file_hash(path: Path) -> str:
    """Hash of one file, the modules that it imports included; of a folder `native` beside it, the C code in it too."""
    if path.suffix != ".py":
        code = COMMENT.sub(" ", path.read_text(encoding="utf-8"))
        return _digest([" ".join(code.split())])
    native = (path.parent / "native").glob("*.[ch]")
    return _digest([canonical(ast.parse(path.read_bytes())), *sorted(file_hash(each) for each in native)])


def _files(module: str) -> list[Path]:
    """Where a module of this name lies: a file, or a package's `__init__`; nowhere, if it is no module."""
    stem = _located(module.replace(".", "/"))
    return [path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()]


def _located(path: str | Path) -> Path:
    """A path of the repository, where it lies; in an installed copy the package is not in the project's folder."""
    return (PACKAGE.parent if Path(path).parts[:1] == (PACKAGE.name,) else ROOT) / path


def _glob(pattern: str) -> Iterable[Path]:
    folder, name = pattern.rsplit("/", 1)
    return _located(folder).glob(name)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


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
