"""A learner's class that was given from Python: where its code lies, or what it is."""

from __future__ import annotations

import ast
import hashlib
import linecache
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from torch import nn

from doubt.engines.modules.loading import GIVEN
from doubt.errors import UserError
from doubt.workflow.planning.code_hash import canonical


def named(learner: type[nn.Module]) -> str:
    """What a definition calls a class: the file that it lies in, or, of one without a file, a name of its own."""
    module = sys.modules[learner.__module__]
    file = getattr(module, "__file__", None)
    if file is not None and learner.__module__ != "__main__":
        return f"{file}:{learner.__name__}"
    name = f"{learner.__name__} of this session"
    GIVEN[name] = learner
    return name


def code_of(learner: type[nn.Module]) -> str:
    """Hash of the code of a class that was defined in a session, and of what else was defined there and it uses.

    Raises:
        UserError: its source is not known, as of a class that was made by a program.
    """
    parts: dict[str, str] = {}
    waiting: list[Any] = [learner]
    while waiting:
        each = waiting.pop()
        if each.__qualname__ in parts:
            continue
        tree = _tree(each)
        if tree is None:
            raise UserError(
                f"the source of {each.__qualname__} is not known, so nothing could say when it has changed; define it "
                "in a notebook's cell or in a file"
            )
        parts[each.__qualname__] = canonical(tree)
        waiting += _used(each)
    return hashlib.sha256("\n".join(parts[name] for name in sorted(parts)).encode()).hexdigest()[:16]


def _tree(thing: Any) -> ast.AST | None:
    """The syntax tree of a class or function, from the cell or file that its code comes from."""
    functions = _functions(thing)
    if not functions:
        return None
    code = functions[0].__code__
    try:
        whole = ast.parse("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:
        return None
    kinds = ast.ClassDef if isinstance(thing, type) else ast.FunctionDef
    for node in ast.walk(whole):
        if isinstance(node, kinds) and node.name == thing.__name__:
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if first <= code.co_firstlineno <= (node.end_lineno or first):
                return node
    return None


def _functions(thing: Any) -> list[FunctionType]:
    """A function, or those that a class defines."""
    return (
        [thing] if isinstance(thing, FunctionType) else [f for f in vars(thing).values() if isinstance(f, FunctionType)]
    )


def _used(thing: Any) -> Iterator[Any]:
    """Classes and functions of the same session that a class or function names, bases included."""
    session = vars(sys.modules[thing.__module__])
    names = {name for function in _functions(thing) for name in _names(function.__code__)}
    found = [session[name] for name in sorted(names) if name in session]
    found += [] if isinstance(thing, FunctionType) else list(thing.__bases__)
    for each in found:
        if isinstance(each, type | FunctionType) and each.__module__ == thing.__module__:
            yield each


def _names(code: CodeType) -> Iterator[str]:
    """The global names that code uses, those of functions within it too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
