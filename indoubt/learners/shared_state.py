"""State that modules of a class share: what a pass counts or flips on the class, or in a variable of its file.

No saved state holds it, and no seed governs it: a module's numbers would hang on which others were trained or evaluated
before it in the same process. So none may change between passes, and passes may not change what later ones compute.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from torch import Tensor, nn

from indoubt.engines.modules.contents import plain_copy, same_value
from indoubt.engines.modules.user_code import is_own


class SharedValues:
    """The plain values that a module's classes and their code's global names had at one time."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._before = _values(module)

    def moved(self) -> list[str]:
        """Names of values that are others now. What has only grown is none of them, as a table of what was computed."""
        now = _values(self._module)
        return [name for name, value in self._before.items() if name in now and _is_another(value, now[name])]


def _values(module: nn.Module) -> dict[str, Any]:
    """Copies of all plain values by name."""
    copies = {name: plain_copy(value) for name, value in _places(module)}
    return {name: value for name, (value, plain) in copies.items() if plain}


def _places(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """What is shared: attributes of the user's classes, and the global variables that their code names."""
    waiting: list[Any] = [kind for each in module.modules() for kind in type(each).__mro__]
    known = set(map(id, waiting))
    while waiting:
        each = waiting.pop()
        if not _is_users(each):
            continue
        if isinstance(each, type):
            named = {f"{each.__name__}.{name}": value for name, value in vars(each).items()}
        else:
            variables = each.__globals__
            named = {name: variables[name] for name in sorted(_names(each.__code__)) if name in variables}
        for name, value in named.items():
            value = getattr(value, "__func__", getattr(value, "fget", value))
            if not isinstance(value, type | FunctionType):
                yield name, value
            elif id(value) not in known:
                known.add(id(value))
                waiting.append(value)


def _is_users(each: Any) -> bool:
    """Whether a class or function is from a file of a user's own, or from a notebook."""
    home = sys.modules.get(each.__module__)
    return is_own(getattr(home, "__file__", None) or "<a notebook>")


def _names(code: CodeType) -> set[str]:
    """The names that code says, that of the functions in it included."""
    within = (each for each in code.co_consts if isinstance(each, CodeType))
    return {*code.co_names, *(name for each in within for name in _names(each))}


def _is_another(before: Any, now: Any) -> bool:
    """Whether a value has changed otherwise than by growing: a number, a text, a tensor of the same shape."""
    if isinstance(before, dict) and isinstance(now, dict):
        return any(key in now and _is_another(value, now[key]) for key, value in before.items())
    if isinstance(before, list | tuple) and isinstance(now, list | tuple):
        return any(map(_is_another, before, now))
    if isinstance(before, Tensor) and isinstance(now, Tensor) and before.shape != now.shape:
        return False
    return not same_value(before, now)
