"""What the C code's functions take, read from the C code itself, and Python's values as they take them.

C checks nothing: a whole number where a real one is meant, an array of another precision or one whose numbers lie
elsewhere than they seem to would give wrong numbers, or end the process.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path

import torch
from torch import Tensor

from indoubt.engines.fused.arrays.extents import numbers

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
