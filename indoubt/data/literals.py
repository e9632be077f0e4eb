"""What fairseq's arguments say in Python's words, `[(512, 3)] * 2` or `(0.9, 0.999)`: read, never evaluated.

fairseq evaluates such texts, and a text can do anything then; a configuration or a grid file may be somebody else's.
0 and 0.0, 64 and 64.0 are one number, so learners that differ in that alone are one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from textwrap import shorten
from typing import Any

#: The most elements that a list may have.
LONGEST = 1000

#: A convolution: channels, width and, if it has a third number, how many layers back its residual connection goes.
Convolution = tuple[int, ...]


def value_of(text: str) -> Any:
    """A text's value: numbers, `True`, `False`, `None`, words in quotes, lists, tuples and dicts of them, sums of
    lists, and lists times a whole number.

    Raises:
        ValueError: it is, or holds, anything else.
        TypeError: it is no text.
    """
    if not isinstance(text, str):
        raise TypeError(f"{text!r} is no text")
    try:
        return _value(ast.parse(text.strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = "" if isinstance(error, SyntaxError) else f": {error}"
        raise ValueError(f"{shorten(text, 60)!r} cannot be read{reason}") from None


def convolutions_of(text: str) -> list[Convolution]:
    """A CNN's layers: `[(512, 3)] * 2 + [(256, 3, 2)]`.

    Raises:
        ValueError: it is no list of tuples of two or three whole numbers.
    """
    layers = value_of(text)
    if not isinstance(layers, list) or not layers or not all(map(_is_convolution, layers)):
        raise ValueError(f"{shorten(text, 60)!r} is no list of (channels, width) such as [(512, 3)] * 2")
    return layers


def _is_convolution(layer: Any) -> bool:
    """Whether channels and width are whole numbers from 1 on, and the third number, if there is one, from 0 on."""
    if not isinstance(layer, tuple) or len(layer) not in (2, 3) or not all(type(each) is int for each in layer):
        return False
    channels, width, *back = layer
    return channels >= 1 and width >= 1 and all(each >= 0 for each in back)


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=bool() | int() | float() | str() | None as constant):
            return constant
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)) if not isinstance(
            number, bool
        ):
            return -number
        case ast.Tuple(elts=elements):
            return tuple(map(_value, elements))
        case ast.List(elts=elements):
            return list(map(_value, elements))
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {_value(key): _value(value) for key, value in zip(keys, values, strict=True) if key}
        case ast.BinOp(op=ast.Add()):
            return _sum(_value(node.left), _value(node.right))
        case ast.BinOp(op=ast.Mult()):
            return _product(_value(node.left), _value(node.right))
    raise ValueError(f"{shorten(ast.unparse(node), 40)!r} is neither a number nor a list")


def _sum(one: Any, other: Any) -> list[Any]:
    if not isinstance(one, list) or not isinstance(other, list):
        raise ValueError("only lists can be added")
    _check_length(len(one) + len(other))
    return one + other


def _product(one: Any, other: Any) -> list[Any]:
    elements, times = (one, other) if isinstance(one, list) else (other, one)
    if not isinstance(elements, list) or type(times) is not int or times < 0:
        raise ValueError("only a list can be multiplied, by a whole number")
    _check_length(times * len(elements))
    return elements * times


def _check_length(n: int) -> None:
    if n > LONGEST:
        raise ValueError(f"a list may have {LONGEST} elements at most")


#: A number that is written as a text, and one that YAML takes for a text: it wants `1.0e-5` for `1e-5`.
NUMERAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
UNREAD = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def is_number(value: Any) -> bool:
    """Whether a value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def spelled_as(value: Any, example: Any, annotation: Any = None) -> Any:
    """A number with a decimal point or without: as its example has it, else as its annotation says, else without.

    A text is a number where a number is expected, and `1e-5` is one unless a text is expected.

    Args:
        value: a number, or lists and mappings with numbers in them; anything else is left as it is.
        example: the default of the argument whose value it is, in the same form.
        annotation: the type that the argument is said to have.
    """
    if isinstance(value, list | tuple):
        like = next((each for each in example if isinstance(each, float)), None) if isinstance(example, list) else None
        return [spelled_as(each, like, annotation) for each in value]
    if isinstance(value, Mapping):
        known = example if isinstance(example, Mapping) else {}
        return {name: spelled_as(each, known.get(name)) for name, each in value.items()}
    said = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    if isinstance(value, str) and not isinstance(example, str) and "str" not in said:
        expected = is_number(example) or "float" in said or "int" in said
        value = float(value) if (NUMERAL if expected else UNREAD).fullmatch(value) else value
    if not is_number(value):
        return value
    if isinstance(example, float) or (not is_number(example) and "float" in said):
        return float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def one_spelling(value: Any) -> Any:
    """A value such that two of them are equal, and have the same hash, where they differ in how numbers are written.

    A text that is a tuple or list of numbers, as fairseq takes `adam_betas`, is one of numbers too.
    """
    if isinstance(value, str):
        try:
            read = value_of(value) if value[:1] in ("(", "[") else value
        except ValueError:
            read = value
        return value if isinstance(read, str) else one_spelling(read)
    if isinstance(value, list | tuple):
        return [one_spelling(each) for each in value]
    if isinstance(value, Mapping):
        return {name: one_spelling(each) for name, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def decimal_pair(betas: str) -> str:
    """fairseq's `adam_betas` with decimal points: `(0, 0.999)` as `(0.0, 0.999)`; what is no such pair as it is."""
    try:
        return str(tuple(float(beta) for beta in value_of(betas)))
    except (ValueError, TypeError):
        return betas
