"""What the code computes, as a hash: its syntax trees without comments and docstrings, and the C code beside it.

A rule takes the hash of its script and of all that the script imports from here as a param, so that Snakemake re-runs
it when, and only when, the code that makes its result has changed. A training's record in the ledger is filed under the
hash of the engine alone: nothing that merely calls the engine can make a training stale.

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

from doubt.files import ROOT

COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
#: Modules that decide no number: messages for people.
WITHOUT_EFFECT = {"doubt", "doubt.errors"}
#: The module that an engine's numbers come from; what it imports belongs to it.
ENGINES = {
    "fairseq": "doubt/engines/reference/engine.py",
    "fused": "doubt/engines/fused/engine.py",
    "modules": "doubt/engines/modules/engine.py",
}
#: Hashes of earlier code that gives the same numbers, by the hash of today's: results filed under them are taken as
#: today's. A release adds one only where tests compare the numbers (tests/workflow/test_earlier_results.py).
EARLIER: dict[str, tuple[str, ...]] = {
    # In turn: modules lay elsewhere; over 128 sources were decoded at once; there were no milestones.
    "58759b02a096a5cb": ("255c0e789411fa8b", "0dbfcb0c9f110150", "2304051fef761315"),  # fairseq
    # Subnormal numbers were computed with; LSTMs that share a lockstep were rounded by what companions they had.
    "43a2fa2a36f24bbd": ("dee2a373e76c8921",),  # fused
    # Engine `modules` with a file of learners/ (`learner_code.trained_by`). In turn: subnormal numbers were computed
    # with; 128 sources were not decoded at once, memory was not planned, batches drawn by chance failed on a GPU.
    "310b23b2ac62315f": ("77bf84d1aae514a5", "e400e0c2e66af438"),  # decoder_only.py
    "735e8f20572f4484": ("c60916092e782943", "77e3c3a33d7126b3"),  # transformer.py
    "e9a884e8312bfc5a": ("7853ded3b1004f87", "a3cd820e6f6119fe"),  # recurrent.py
    "c3e4db35d70786b2": ("73e7997589abf9d9", "c0b73d237f6623e9"),  # mamba.py
    "0709ee61cbdf4361": ("e5a2c580f982dc08", "852644ea7f9d3102"),  # s4d.py
    "f2913fbdf62503b1": ("e6a02da0bda06793", "202eb9f20859de21"),  # Hugging Face's
}


def code_hash(*entries: str | Path) -> str:
    """Hash of some files (paths relative to the repository) and of every `doubt` module that they import, 16 digits."""
    return _digest(sorted(_file_hash(ROOT / entry) for entry in entries))


def engine_hash(engine: str, user_dir: str | None = None) -> str:
    """Hash of the code that decides an engine's numbers, a folder of fairseq plug-ins included.

    Of engine `modules` that is the engine alone; `learner_code.module_hash` adds a learner's own code.
    """
    plugins = sorted(Path(user_dir).resolve().glob("**/*.py")) if user_dir else []
    return code_hash(ENGINES[engine], *plugins)


def same_numbers(engine_code: str) -> tuple[str, ...]:
    """The hashes of engine code whose results are those of `engine_code`: itself, then earlier ones."""
    return (engine_code, *EARLIER.get(engine_code, ()))


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
    return module == "doubt" or module.startswith("doubt.")


def _module_hash(module: str) -> str:
    """Hash of a module of ours; of those without effect, nothing."""
    return "" if module in WITHOUT_EFFECT else _digest(_file_hash(path) for path in _files(module))


@cache
def _file_hash(path: Path) -> str:
    """Hash of one file, the modules that it imports included; of a folder `native` beside it, the C code in it too."""
    if path.suffix != ".py":
        code = COMMENT.sub(" ", path.read_text(encoding="utf-8"))
        return _digest([" ".join(code.split())])
    native = (path.parent / "native").glob("*.[ch]")
    return _digest([canonical(ast.parse(path.read_bytes())), *sorted(_file_hash(each) for each in native)])


def _files(module: str) -> list[Path]:
    """Where a module of this name lies: a file, or a package's `__init__`; nowhere, if it is no module."""
    stem = ROOT / module.replace(".", "/")
    return [path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()]


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
