"""What the code computes, as a hash: its syntax trees without comments and docstrings, and the C code beside it.

A rule takes the hash of its script and of all that the script imports from here as a param, so that Snakemake re-runs
it when, and only when, the code that makes its result has changed. What a training is filed under is said in
`planning.identity`.

A file's hash holds, in place of the name of a module that it imports, that module's own hash: where files lie, and how
modules are called, is no part of what they compute.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from indoubt.files import ROOT

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
#: Modules that decide no number: messages for people.
WITHOUT_EFFECT = {"indoubt", "indoubt.errors"}


def code_hash(*entries: str | Path) -> str:
    """Hash of some files (paths relative to the repository) and of every module of ours that they import, 16 digits."""
    return _digest(sorted(file_hash(ROOT / entry) for entry in entries))


def content_hash(*patterns: str) -> str:
    """Hash of the files below the repository that match patterns: templates and the like, 16 digits."""
    paths = sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file())
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
    stem = ROOT / module.replace(".", "/")
    return [path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()]


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
