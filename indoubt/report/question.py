"""A task's question as a reader of results wants it: with the numbers of the sizes that were run."""

from __future__ import annotations

import ast
import inspect
import operator
import re
from collections.abc import Sequence

from indoubt.data.task import Task

_OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}


def question(task: Task, sizes: Sequence[int]) -> str:
    """The first paragraph of the task's description; what it says of `size` in numbers.

    `size` symbols at sizes 5 and 10 are "5 or 10 symbols", and `2 * size` are "10 or 20".
    """
    return in_numbers((inspect.getdoc(type(task)) or "").split("\n\n")[0].replace("\n", " "), sizes)


def in_numbers(text: str, sizes: Sequence[int]) -> str:
    """A text without its backticks, and with numbers for what stands between them of `size`."""
    return re.sub(r"`([^`]*)`", lambda found: _in_numbers(found[1], sizes), text)


def _in_numbers(words: str, sizes: Sequence[int]) -> str:
    """An expression of `size` as its values, whatever else stands between backticks as it is.

    `size more` is an expression followed by words.
    """
    found = re.fullmatch(r"([\d\s*+()-]*\bsize\b[\d\s*+()-]*)([A-Za-z].*)?", words)
    if found is None:
        return words
    try:
        body = ast.parse(found[1].strip(), mode="eval").body
        values = [_value(body, size) for size in sorted(sizes)]
    except (SyntaxError, TypeError):
        return words
    *most, last = map(str, values)
    said = f"{', '.join(most)} or {last}" if most else last
    return f"{said} {found[2]}" if found[2] else said


def _value(node: ast.expr, size: int) -> int:
    if isinstance(node, ast.Name):
        return size
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
        return int(_OPERATORS[type(node.op)](_value(node.left, size), _value(node.right, size)))
    raise TypeError(f"{ast.dump(node)} is no sum or product of numbers and `size`")
