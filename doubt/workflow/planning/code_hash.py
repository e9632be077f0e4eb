"""What the code computes, as a hash: its syntax trees without comments and docstrings, and the C code beside it.

A rule takes the hash of its script and of all that the script imports from here as a param, so that Snakemake re-runs
it when, and only when, the code that makes its result has changed. A training's record in the ledger is filed under the
hash of the engine alone: nothing that merely calls the engine can make a training stale.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from doubt.files import ROOT

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
#: Modules that decide no number: messages for people.
WITHOUT_EFFECT = {"doubt", "doubt.errors"}
#: The module that an engine's numbers come from; what it imports belongs to it.
ENGINES = {"fairseq": "doubt/engines/reference/engine.py", "fused": "doubt/engines/fused/engine.py"}


def code_hash(*entries: str | Path) -> str:
    """Hash of some files (paths relative to the repository) and of every `doubt` module that they import, 16 digits."""
    files: set[Path] = set()
    waiting = [ROOT / entry for entry in entries]
    while waiting:
        path = waiting.pop()
        if path not in files:
            files.add(path)
            waiting += _imports(path)
    total = hashlib.sha256()
    for path in sorted(files):
        total.update(f"{_name(path)}:{_file_hash(path)}\n".encode())
    return total.hexdigest()[:16]


def engine_hash(engine: str, user_dir: str | None = None) -> str:
    """Hash of the code that decides an engine's numbers, a plug-in folder's included."""
    plugins = sorted(Path(user_dir).resolve().glob("**/*.py")) if user_dir else []
    return code_hash(ENGINES[engine], *plugins)


def content_hash(*patterns: str) -> str:
    """Hash of the files below the repository that match patterns: templates and the like, 16 digits."""
    total = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()):
        total.update(f"{_name(path)}:{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return total.hexdigest()[:16]


def canonical(tree: ast.AST) -> str:
    """A syntax tree as text that is the same on every Python version; empty fields and docstrings left out."""
    if isinstance(tree, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        body = tree.body
        if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
            tree.body = body[1:] if isinstance(body[0].value.value, str) else body
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


@cache
def _file_hash(path: Path) -> str:
    if path.suffix != ".py":
        code = COMMENT.sub(" ", path.read_text(encoding="utf-8"))
        return hashlib.sha256(" ".join(code.split()).encode()).hexdigest()
    return hashlib.sha256(canonical(ast.parse(path.read_bytes())).encode()).hexdigest()


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    """Files of the `doubt` modules that a file imports, anywhere in it, and the C code of its package."""
    if path.suffix != ".py":
        return ()
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    ours = sorted(name for name in names if name.startswith("doubt.") and name not in WITHOUT_EFFECT)
    native = (path.parent / "native").glob("*.[ch]")
    return tuple(path for path in [*_files(ours), *native] if path.is_file())


def _files(modules: Iterable[str]) -> list[Path]:
    """Where modules of these names would lie: a file, or a package's `__init__`."""
    stems = [ROOT / module.replace(".", "/") for module in modules]
    return [path for stem in stems for path in (stem.with_suffix(".py"), stem / "__init__.py")]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
