"""What the C code's functions take, read from the C code itself, and Python's values as they take them.

C checks nothing: a whole number where a real one is meant, an array of another precision or one whose numbers lie
elsewhere than they seem to would give wrong numbers, or end the process. How many numbers a function reads or writes of
each array is said in the comments of the C code; `EXTENTS` holds the same for Python to check.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from numbers import Integral, Real
from pathlib import Path

import torch
from torch import Tensor

_STATE = {"w": "out in", "m": "out in", "v": "out in"}
_ROWS = {"x": "rows in", "y": "rows out"}
_GATED = {"value": "models rows channels", "gate": "models rows channels", "product": "models rows 2 channels"}
_NORMED = {"x": "models rows in", "v": "models out in", "g": "models out", "w": "models out in", "norm": "models out"}

#: For each function and array a product of sizes, which are numbers, the function's own parameters and sums of both.
#: Of an array whose rows lie apart it is rows and columns. Arrays that are missing are as long as other arrays say.
EXTENTS: dict[str, dict[str, str]] = {
    "adam_of_product": {"left": "rows out", "right": "rows in", "along": "in", **_STATE},
    "squared_columns": {"w": "out in", "squares": "in"},
    "multiply": {"x": "rows out", "w": "out in", "y": "rows in"},
    "multiply_transposed": {"w": "out in", "bias": "out", **_ROWS},
    "transpose_matrix": {"from": "rows columns", "to": "columns rows"},
    "windows": {"lengths": "sequences"},
    "windows_backward": {"lengths": "sequences"},
    "gated_forward": {"scale": "models 2 channels", "bias": "models 2 channels", "y": "models rows channels", **_GATED},
    "gated_backward": {
        "dy": "models rows channels",
        "scale": "models 2 channels",
        "d_product": "models rows 2 channels",
        "d_scale": "models 2 channels",
        "d_bias": "models 2 channels",
        **_GATED,
    },
    "lstm_forward": {
        "gates": "rows 4 size",
        **dict.fromkeys(("before", "after", "squashed", "hidden"), "rows size"),
    },
    "lstm_backward": {
        **dict.fromkeys(("gates", "d_gates"), "rows 4 size"),
        **dict.fromkeys(("before", "squashed", "d_hidden", "d_cell"), "rows size"),
    },
    "cell_forward": {
        "weight": "4 size width",
        "bias": "4 size",
        "inputs": "to+1 batch width",
        "gates": "to batch 4 size",
        "cells": "to+1 batch size",
        "squashed": "to batch size",
        "active": "to",
    },
    "cell_backward": {
        "weight": "4 size width",
        **dict.fromkeys(("gates", "d_gates"), "times batch 4 size"),
        "cells": "times+1 batch size",
        "squashed": "times batch size",
        **dict.fromkeys(("d_hidden", "d_cell"), "batch size"),
        "d_inputs": "times batch width",
        "d_outputs": "to batch size",
        "active": "to",
    },
    "attend_forward": {
        "query": "rows size",
        "source": "rows times size",
        "lengths": "rows",
        "attended": "rows times",
        "context": "rows size",
    },
    "attend_backward": {
        "d_context": "rows size",
        "source": "rows times size",
        **dict.fromkeys(("attended", "d_scores"), "rows times"),
        "d_query": "rows size",
    },
    "draw_masks": {
        "rows": "n_rows",
        **dict.fromkeys(("counters", "thresholds", "scales"), "places"),
        "masks": "n_rows places",
    },
    "normed_linear": {"b": "models out", "y": "models rows out", **_NORMED},
    "normed_linear_backward": {
        "dy": "models rows out",
        "d_v": "models out in",
        **dict.fromkeys(("d_g", "d_b"), "models out"),
        "dx": "models rows in",
        "room": "rows out",
        **_NORMED,
    },
    "transformer_updates": {
        "sizes": "13",
        "data": "10",
        **dict.fromkeys(("w", "gradients", "first", "second", "block_sizes"), "blocks"),
        "chosen": "batch",
        "steps": "updates",
        **dict.fromkeys(("nats", "finished"), "1"),
    },
}


def numbers(function: str, array: str, given: Mapping[str, float], step: float | None = None) -> int:
    """How many numbers of an array a call uses; 0 where that is not told by its sizes.

    Args:
        given: the call's sizes, by their names.
        step: how far the array's rows lie apart; None: not at all.
    """
    extent = EXTENTS.get(function, {}).get(array)
    if extent is None:
        return 0
    sizes = [sum(_value(part, given) for part in factor.split("+")) for factor in extent.split()]
    if step is None or 0 in sizes:
        return prod(sizes)
    rows, columns = sizes
    return (rows - 1) * int(step) + columns


def _value(part: str, given: Mapping[str, float]) -> int:
    return int(part) if part.isdigit() else int(given[part])


#: A function that Python may call: it returns nothing, and its definition starts a line.
FUNCTION = re.compile(r"^void (\w+)\(([^()]*)\) \{", re.MULTILINE)
PARAMETER = re.compile(r"(?:const )?(?P<kind>\w+(?: long)?) \*?(?:const \*)?(?P<name>\w+)")
WHOLE = {"long", "long long", "int64_t"}
#: Structures that Python lays out as arrays of sizes or of pointers.
STRUCTURES = {"Sizes", "Data", "Weights"}
#: Arrays that need not be given.
OPTIONAL = {
    ("multiply_transposed", "bias"),
    ("adam_of_product", "along"),
    ("cell_forward", "masks"),
    ("cell_backward", "masks"),
    ("cell_backward", "d_outputs"),
}

Argument = Tensor | int | float | None


@dataclass(frozen=True)
class Parameter:
    """One parameter of a C function.

    `element` is the type of an array's elements, None for a number. An array whose rows are `apart` is followed by how
    far; all others lie in memory without gaps.
    """

    function: str
    name: str
    element: torch.dtype | None
    whole: bool
    apart: bool

    @property
    def type(self) -> type[ctypes.c_long | ctypes.c_double | ctypes.c_void_p]:
        """As ctypes hands it over."""
        if self.element is not None:
            return ctypes.c_void_p
        return ctypes.c_long if self.whole else ctypes.c_double

    def converted(self, given: Argument) -> int | float | None:
        """What C is handed for a value.

        Raises:
            TypeError: the value is of another kind than the parameter.
        """
        if self.element is not None:
            return self._address(given)
        if isinstance(given, Tensor) or given is None:
            raise TypeError(f"{self} is a number, not {given!r}")
        if not isinstance(given, Integral if self.whole else Real):
            raise TypeError(f"{self} is a {'whole' if self.whole else 'real'} number, not {given!r}")
        return int(given) if self.whole else float(given)

    def _address(self, given: Argument) -> int | None:
        if given is None and (self.function, self.name) in OPTIONAL:
            return None
        if not isinstance(given, Tensor):
            raise TypeError(f"{self} is an array, not {given!r}")
        if given.dtype != self.element or given.device.type != "cpu":
            raise TypeError(f"{self} is an array of {self.element} on the CPU, not of {given.dtype} on {given.device}")
        if not given.is_contiguous() and not (self.apart and given.stride(-1) == 1):
            raise TypeError(f"{self} has gaps: its shape is {tuple(given.shape)}, its strides are {given.stride()}")
        return given.data_ptr()

    def __str__(self) -> str:
        return f"{self.name!r} of the C function {self.function!r}"


def signatures(folder: Path, real: torch.dtype) -> dict[str, list[Parameter]]:
    """The parameters of each function that the C files of a folder define, for numbers of one precision.

    Without those that take what Python cannot give, which C calls alone.
    """
    found = {}
    for path in sorted(folder.glob("*.c")):
        for name, parameters in FUNCTION.findall(path.read_text(encoding="utf-8")):
            words = [" ".join(each.split()) for each in parameters.split(",")]
            read = [_parameter(name, word, after, real) for word, after in zip(words, [*words[1:], ""], strict=True)]
            if None not in read:
                found[name] = [each for each in read if each is not None]
    return found


def _parameter(function: str, word: str, following: str, real: torch.dtype) -> Parameter | None:
    """One parameter, followed by another; None where Python has no value for it."""
    fitting = PARAMETER.fullmatch(word)
    if fitting is None:
        return None
    kind, name, pointers = fitting["kind"], fitting["name"], word.count("*")
    elements = dict.fromkeys(WHOLE | STRUCTURES, torch.int64) | {"real": real, "double": torch.float64}
    if pointers == 0:
        return Parameter(function, name, None, kind in WHOLE, False) if kind in WHOLE | {"double"} else None
    element = torch.int64 if pointers > 1 else elements.get(kind)
    apart = following.startswith("long ") and following.endswith("step")
    return None if element is None else Parameter(function, name, element, False, apart)


def bound(
    function: Callable[..., None], parameters: list[Parameter], arguments: tuple[Argument, ...]
) -> Callable[[], None]:
    """A C function with its arguments, each as its parameter takes it.

    Raises:
        TypeError: there are more or fewer arguments than parameters, or one is of another kind.
        ValueError: an array is shorter than the sizes say.
    """
    if len(arguments) != len(parameters):
        raise TypeError(f"{parameters[0].function!r} takes {len(parameters)} arguments, not {len(arguments)}")
    given = [parameter.converted(each) for parameter, each in zip(parameters, arguments, strict=True)]
    sizes = {p.name: each for p, each in zip(parameters, given, strict=True) if p.element is None and each is not None}
    for parameter, following, each in zip(parameters, [*parameters[1:], None], arguments, strict=True):
        if isinstance(each, Tensor):
            step = sizes[following.name] if parameter.apart and following is not None else None
            _check_size(parameter, each, numbers(parameter.function, parameter.name, sizes, step))

    def call(tensors: object = arguments) -> None:  # holds on to the tensors that the pointers point into
        function(*given)

    return call


def _check_size(parameter: Parameter, array: Tensor, needed: int) -> None:
    there = sum((size - 1) * apart for size, apart in zip(array.shape, array.stride(), strict=True)) + 1
    if needed > (there if array.numel() else 0):
        raise ValueError(f"{parameter} is to hold {needed} numbers; its shape is {tuple(array.shape)}")
