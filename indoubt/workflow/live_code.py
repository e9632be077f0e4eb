"""Code as it is in memory: whose it is, where it stands, which names it says, and its hash where it stands nowhere."""

from __future__ import annotations

import ast
import functools
import hashlib
import linecache
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from indoubt.engines.modules.user_code import is_own

#: Names by which code reaches values that its text does not name; then words within its strings name them too.
INDIRECT = {"getattr", "globals", "vars", "eval", "exec", "attrgetter", "import_module", "__dict__"}


def is_users(thing: Any) -> bool:
    """Whether a class, function or module is a user's: of a session, or of an own file."""
    if isinstance(thing, types.ModuleType):
        file = getattr(thing, "__file__", None)
        return file is not None and is_own(file) and thing.__name__ != "__main__"
    if isinstance(thing, types.FunctionType) and not thing.__code__.co_filename.startswith("<"):
        return is_own(thing.__code__.co_filename)
    name = str(getattr(thing, "__module__", "builtins"))
    if name == "__main__":
        return True
    if name.partition(".")[0] in sys.stdlib_module_names:
        return False
    for each in (name, name.partition(".")[0]):
        file = getattr(sys.modules.get(each), "__file__", None)
        if file is not None:
            return is_own(file)
    return name not in sys.modules  # a learner's part, imported for it alone


def of_session(thing: Any) -> bool:
    """Whether a user's class or function was defined in a session, in a cell or a script, and in no module's file."""
    if thing.__module__ == "__main__":
        return True
    return any("__file__" not in function.__globals__ for function in functions_of(thing))


def functions_of(thing: Any) -> list[types.FunctionType]:
    """A function, or those that a class defines, within properties and the like too."""
    if isinstance(thing, types.FunctionType):
        return [thing]
    return [each for value in vars(thing).values() for each in within(value) if isinstance(each, types.FunctionType)]


def within(value: Any) -> list[Any]:
    """What a method of a class, a property and the like hold; of anything else, itself."""
    if isinstance(value, staticmethod | classmethod):
        return [value.__func__]
    if isinstance(value, property):
        return [value.fget, value.fset, value.fdel]
    return [value.func] if isinstance(value, functools.cached_property) else [value]


def tree_of(thing: Any) -> ast.AST | None:
    """The syntax tree of a class or function, from the cell or file that its code comes from; None: it has none."""
    kinds = ast.ClassDef if isinstance(thing, type) else ast.FunctionDef
    for function in functions_of(thing):
        code = function.__code__
        for node in ast.walk(_parsed("".join(linecache.getlines(code.co_filename)))):
            if isinstance(node, kinds) and node.name == thing.__name__:
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                if first <= code.co_firstlineno <= (node.end_lineno or first):
                    return node
    return None


def named(code: types.CodeType) -> set[str]:
    """The names that code says, of functions within it too; where it looks names up by text, the words of its text."""
    found = set(code.co_names)
    if found & INDIRECT:
        for constant in _constants(code):
            if isinstance(constant, str):
                found |= set("".join(c if c.isalnum() or c == "_" else " " for c in constant).split())
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= named(constant)
    return found


def bytecode(code: types.CodeType) -> str:
    """Hash of compiled code, where it stands in no file, or no more; docstrings and lines are no part of it."""
    return hashlib.sha256("\n".join(_instructions(code)).encode(errors="surrogatepass")).hexdigest()[:16]


def stands_in(code: types.CodeType, file: Path) -> bool:
    """Whether code in memory is what its file says now: not, where it was edited after its import, or by one."""
    return bytecode(code) in _codes(str(file), file.stat().st_mtime_ns, file.stat().st_size)


def _instructions(code: types.CodeType) -> Iterator[str]:
    yield f"{code.co_name} {code.co_code.hex()} {code.co_names} {code.co_varnames} {code.co_freevars}"
    for constant in _constants(code):
        if isinstance(constant, types.CodeType):
            yield from _instructions(constant)
        else:
            yield str(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)


def _constants(code: types.CodeType) -> tuple[Any, ...]:
    """The constants of code without its docstring, which comes first."""
    first = code.co_consts[:1]
    documented = bool(first) and isinstance(first[0], str) and not code.co_name.startswith("<")
    return code.co_consts[documented:]


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> ast.AST:
    try:
        return ast.parse(text)
    except SyntaxError:
        return ast.Module([], [])


@functools.lru_cache(maxsize=256)
def _codes(file: str, time: int, size: int) -> frozenset[str]:
    """The hashes of all code of a file, as it is now."""
    try:
        waiting = [compile(Path(file).read_bytes(), file, "exec", dont_inherit=True)]
    except (SyntaxError, ValueError):
        return frozenset()
    found = set()
    while waiting:
        each = waiting.pop()
        found.add(bytecode(each))
        waiting += [constant for constant in each.co_consts if isinstance(constant, types.CodeType)]
    return frozenset(found)
