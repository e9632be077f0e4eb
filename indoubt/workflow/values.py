"""Python values as hashes: equal for what computes alike, in every process; no address, time or order of a set in them.

A function counts by the values of its defaults, of what it encloses and of the global names that it says, a class by
its functions, attributes and bases, an object by its class and its attributes. Their code is noted beside. What is
Python's own or came with an installed package counts by its name. A tensor counts by every bit, or by so much of real
numbers that other processors' rounding does not show.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
import types
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from indoubt.workflow.code_hash import canonical
from indoubt.workflow.live_code import bytecode, is_users, named, of_session, stands_in, tree_of, within

#: The fractional part of the golden ratio: its multiples weigh the places of a tensor, each in its own way.
GOLDEN = 0.6180339887498949
#: Steps to which a mean is rounded, in parts of the size of a tensor's numbers.
STEPS = 512


def bits(tensor: Tensor) -> str:
    """A tensor by its type, shape and every bit."""
    x = tensor.detach().cpu()
    x = (x.to_dense() if x.layout != torch.strided else x).resolve_conj().resolve_neg().contiguous()
    data = x.reshape(-1).view(torch.uint8).numpy().tobytes()
    return f"{x.dtype} {tuple(x.shape)} {hashlib.sha256(data).hexdigest()}"


def sketch(tensor: Tensor) -> str:
    """A tensor by its type and shape, and of real numbers their size and two weighted means, to three digits.

    Rounding of another processor's changes a digit of one tensor in about 5,000; other initial weights change them all.
    """
    x = tensor.detach().cpu()
    if not (x.is_floating_point() or x.is_complex()):
        return bits(x)
    about = f"{x.dtype} {tuple(x.shape)}"
    x = x.to_dense() if x.layout != torch.strided else x
    x = (torch.view_as_real(x.resolve_conj()) if x.is_complex() else x).double().flatten()
    size = float(x.square().mean().sqrt()) if x.numel() else 0.0
    if not 0.0 < size < float("inf"):
        return f"{about} {size}"
    weights = (torch.arange(x.numel(), dtype=torch.float64) * GOLDEN).frac() * 2 - 1
    means = float(x.mean()) / size, float((x * weights).sum()) / size / x.numel() ** 0.5
    return f"{about} {size:.3g} {' '.join(str(round(STEPS * mean)) for mean in means)}"


#: What has no value of its own to count: its state is no input, or lies outside of the process.
WITHOUT_VALUE = (torch.Generator, random.Random, np.random.Generator, np.random.RandomState, types.GeneratorType)
#: Attributes of a module that are counted elsewhere, or are copies of what is.
MODULES_OWN = {"_parameters", "_buffers", "_modules", "training", "_flat_weights", "_flat_weight_refs"}
#: Attributes of a class with names such as these that are no machinery.
COUNTED = {"__dataclass_fields__", "__annotations__"}
#: Characters of the longest text that may be a path.
LONGEST_PATH = 255
BUILT_IN_FUNCTIONS = types.BuiltinFunctionType | types.MethodDescriptorType | types.WrapperDescriptorType


class Values:
    """Hashes of values, and the code that was found on the way.

    `files` are the own files in which code stands, `code` is own code that stands in none or has changed since, as text
    by its name, `packages` are the installed ones that are named, `caches` functions that remember what they gave.
    `plain` says whether code was all that was found, besides what a constructor takes.
    """

    def __init__(self, rough: bool = False) -> None:
        """
        Args:
            rough: whether tensors of real numbers count by their shape and a few figures of their content, so that
                other processors' rounding does not matter.
        """
        self.files: set[Path] = set()
        self.code: dict[str, set[str]] = {}
        self.plain = True
        self.packages: set[str] = set()
        self.caches: list[Any] = []
        self._rough = rough
        self._known: dict[int, str] = {}
        self._kept: list[Any] = []  # an id is one object's for as long as that lives

    def of(self, value: Any) -> str:
        """The hash of a value, or what it is."""
        if type(value) in (bool, int, str, bytes, complex, type(None), type(...), type(NotImplemented)):
            return f"{type(value).__name__} {_movable(value)!r}"
        if type(value) is float:
            return f"float {value:.9g}" if self._rough else f"float {value!r}"
        if id(value) not in self._known:
            self._kept.append(value)
            self._known[id(value)] = "itself"  # a cycle ends here
            self._known[id(value)] = _digest(type(value).__name__, self._parts(value))
        return self._known[id(value)]

    def of_module(self, module: nn.Module) -> dict[str, str]:
        """The hashes of a module's weights, buffers and plain attributes, by their names."""
        found = {}
        for place, part in module.named_modules():
            found[f"{place}."] = self.of(type(part))
            attributes = {**part.__dict__.get("_parameters", {}), **part.__dict__.get("_buffers", {})}
            for name, value in (_attributes(part) | attributes).items():
                if "_hooks" in name:  # filed by numbers that count all of a process
                    value = list(value.values()) if isinstance(value, Mapping) and value else None
                if name not in MODULES_OWN and value is not None:
                    found[f"{place}.{name}"] = self.of(value)
        return found

    def _parts(self, value: Any) -> Iterable[str]:
        if isinstance(value, Tensor):
            return [sketch(value) if self._rough else bits(value)]
        if isinstance(value, np.ndarray | np.generic):
            return self._array(np.asarray(value))
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, types.ModuleType):
            return [value.__name__]
        if isinstance(value, types.MethodType):
            return [self.of(value.__func__), self.of(value.__self__)]
        if isinstance(value, BUILT_IN_FUNCTIONS):
            return [str(getattr(value, "__qualname__", value.__name__))]
        if callable(value) and hasattr(value, "__wrapped__"):
            self.caches += [value] if hasattr(value, "cache_clear") else []
            return [self.of(value.__wrapped__)]
        if type(value) in (list, tuple):
            return [self.of(each) for each in value]
        if type(value) in (set, frozenset):
            return sorted(self.of(each) for each in value)
        if type(value) is dict or isinstance(value, types.MappingProxyType):
            keys = {self.of(key): key for key in value}
            return [f"{key}: {self.of(value[keys[key]])}" for key in sorted(keys)]
        if isinstance(value, nn.Module):
            return [f"{name} {text}" for name, text in sorted(self.of_module(value).items())]
        return self._object(value)

    def _array(self, array: np.ndarray[Any, Any]) -> list[str]:
        if array.dtype.hasobject:
            return [str(array.shape), self.of(array.ravel().tolist())]
        if self._rough and array.dtype.kind in "fc":
            return [sketch(torch.from_numpy(array.copy()))]
        return [str(array.dtype), str(array.shape), hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()]

    def _object(self, value: Any) -> list[str]:
        """Any other object: its class, and its state as copying it would take it."""
        kind = self.of(type(value))
        if isinstance(value, WITHOUT_VALUE):
            return [kind]
        if isinstance(value, Path):
            return [str(_movable(str(value)))]
        try:
            state = value.__reduce_ex__(4)
        except Exception:  # of locks, open files and the like there is none
            state = _attributes(value) if is_users(type(value)) else None
        if isinstance(state, tuple):
            state = [list(each) if isinstance(each, Iterator) else each for each in state]
        return [kind, self.of(state)]

    def _class(self, kind: type) -> list[str]:
        if not is_users(kind):
            return [self._name(kind)]
        parts = [kind.__qualname__, *(self.of(base) for base in kind.__bases__)]
        if is_users(type(kind)):
            parts.append(self.of(type(kind)))
        if of_session(kind) and (tree := tree_of(kind)) is not None:
            self._note(kind, canonical(tree))
        for name, value in sorted(vars(kind).items()):
            functions = [each for each in within(value) if isinstance(each, types.FunctionType)]
            if functions:
                parts += [f"{name} {self.of(each)}" for each in functions]
            elif name in COUNTED or not name.startswith(("__", "_abc_")):
                self.plain &= name in COUNTED
                parts.append(f"{name} {self.of(value)}")
        return parts

    def _function(self, function: types.FunctionType) -> list[str]:
        parts = [self.of(function.__wrapped__)] if hasattr(function, "__wrapped__") else []
        cells = dict(zip(function.__code__.co_freevars, map(_content, function.__closure__ or ()), strict=True))
        if not is_users(function):  # of a library's what it wraps may be a user's
            held = [each for each in cells.values() if isinstance(each, types.FunctionType | type) and is_users(each)]
            return [self._name(function), *parts, *map(self.of, held)]
        parts.append(function.__qualname__)
        self._note_code(function)
        for name, value in sorted(cells.items()):
            if name != "__class__":
                self.plain &= _is_code(value)
                parts.append(f"{name} {self.of(value)}")
        given = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
        self.plain &= not given or function.__name__ == "__init__"
        others = {name: value for name, value in vars(function).items() if name != "__wrapped__"}
        parts += [*map(self.of, given), self.of(others), self.of(function.__annotations__)]
        return [*parts, *self._globals(function)]

    def _globals(self, function: types.FunctionType) -> Iterator[str]:
        """The values of the names that a function says: global ones, and those of own modules behind these."""
        names = named(function.__code__)
        for name in sorted(names):
            if name in function.__globals__:
                yield from self._global(name, function.__globals__[name], names)
            elif name in sys.modules and is_users(sys.modules[name]):  # imported where it is used
                yield from self._global(name, sys.modules[name], names)

    def _global(self, name: str, value: Any, names: set[str], above: tuple[str, ...] = ()) -> Iterator[str]:
        self.plain &= _is_code(value)
        if not (isinstance(value, types.ModuleType) and is_users(value)):
            if isinstance(value, types.ModuleType):
                self.packages.add(value.__name__.partition(".")[0])
            yield f"{name} {self.of(value)}"
            return
        if value.__file__ is not None:
            self.files.add(Path(value.__file__).resolve())
        if value.__name__ not in above:
            for inner in sorted(names & vars(value).keys()):
                yield from self._global(f"{name}.{inner}", vars(value)[inner], names, (*above, value.__name__))

    def _note_code(self, function: types.FunctionType) -> None:
        """Where a function's code stands; or the code itself, where it stands nowhere or has changed since."""
        code, file = function.__code__, Path(function.__code__.co_filename)
        if of_session(function):
            tree = tree_of(function)
            self._note(function, bytecode(code) if tree is None else canonical(tree))
        elif file.is_file():  # what a library makes of a class, as its constructor, stands nowhere
            self.files.add(file.resolve())
            if not stands_in(code, file):
                self._note(function, bytecode(code))

    def _note(self, thing: Any, text: str) -> None:
        self.code.setdefault(thing.__qualname__, set()).add(text)

    def texts(self) -> list[str]:
        """The code that stands in no file, in the order of its names; of a class or function as one whole."""
        within = {name for name in self.code for other in self.code if name.startswith(f"{other}.")}
        return [text for name in sorted(self.code.keys() - within) for text in sorted(self.code[name])]

    def _name(self, thing: Any) -> str:
        self.packages.add(str(thing.__module__).partition(".")[0])
        return f"{thing.__module__}.{thing.__qualname__}"


def _content(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _is_code(value: Any) -> bool:
    """Whether a value is code and nothing more: a function, a class, a library's module."""
    return isinstance(value, types.FunctionType | BUILT_IN_FUNCTIONS | type | types.ModuleType)


def _attributes(value: Any) -> dict[str, Any]:
    slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ()) if isinstance(name, str)]
    return {name: getattr(value, name) for name in slots if hasattr(value, name)} | dict(getattr(value, "__dict__", {}))


def _movable(value: Any) -> Any:
    """A value; of the place of a file the name alone, of that of a folder nothing: it may be moved, and what lies there
    counts where it is read.
    """
    if isinstance(value, str) and value.startswith(os.sep) and len(value) < LONGEST_PATH and Path(value).exists():
        return Path(value).name if Path(value).is_file() else ""
    return value


def _digest(head: str, parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join([head, *parts]).encode(errors="surrogatepass")).hexdigest()[:16]
