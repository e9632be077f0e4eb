"""What fairseq's arguments say in Python's words, `[(512, 3)] * 2` or `(0.9, 0.999)`: read, never evaluated.

fairseq evaluates such texts, and a text can do anything then; a configuration or a grid file may be somebody else's.
"""

from __future__ import annotations

import ast
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
