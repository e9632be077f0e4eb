"""A learner's class that was given from Python: where its code lies, or what it is."""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
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
        try:
            source = textwrap.dedent(inspect.getsource(each))
        except (OSError, TypeError):
            raise UserError(
                f"the source of {each.__qualname__} is not known, so nothing could say when it has changed; define it "
                "in a notebook's cell or in a file"
            ) from None
        parts[each.__qualname__] = canonical(ast.parse(source))
        waiting += _used(each)
    return hashlib.sha256("\n".join(parts[name] for name in sorted(parts)).encode()).hexdigest()[:16]


def _used(thing: Any) -> Iterator[Any]:
    """Classes and functions of the same session that a class or function names, bases included."""
    session = vars(sys.modules[thing.__module__])
    functions = [thing] if isinstance(thing, FunctionType) else [f for f in vars(thing).values() if _is_function(f)]
    names = {name for function in functions for name in _names(function.__code__)}
    found = [session[name] for name in sorted(names) if name in session]
    found += [] if isinstance(thing, FunctionType) else list(thing.__bases__)
    for each in found:
        if isinstance(each, type | FunctionType) and each.__module__ == thing.__module__:
            yield each


def _is_function(thing: Any) -> bool:
    return isinstance(thing, FunctionType) and not isinstance(thing, ModuleType)


def _names(code: CodeType) -> Iterator[str]:
    """The global names that code uses, those of functions within it too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
