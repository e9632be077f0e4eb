"""Inputs that a learner cannot tell apart whatever its weights are, and rules that it therefore cannot represent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby

from indoubt.data.rules import rules
from indoubt.data.task import Symbols, Task

#: What a learner may be unable to tell: inputs that differ in the order of their symbols alone; or in their length
#: alone, the shares of their symbols and the order of their runs being the same.
ORDER, LENGTH = "order", "length"


def unrepresentable(task: Task, size: int, cannot_tell: Sequence[str]) -> set[str]:
    """The candidates that give two inputs of T and H different outputs which a learner cannot tell apart.

    Args:
        cannot_tell: none, `ORDER`, `LENGTH` or both.
    """
    if not cannot_tell:
        return set()
    inputs = task.test_inputs(size)
    found = set()
    for name, rule in rules(task).items():
        outputs: dict[object, Symbols] = {}
        if any(rule(source, size) != outputs.setdefault(_seen(source, cannot_tell), rule(source, size))
               for source in inputs):  # fmt: skip
            found.add(name)
    return found


def _seen(source: Symbols, cannot_tell: Sequence[str]) -> object:
    """What of an input reaches such a learner."""
    of = len(source) if LENGTH in cannot_tell else 1
    shares = frozenset((symbol, Fraction(n, of)) for symbol, n in Counter(source).items())
    return shares if ORDER in cannot_tell else (shares, tuple(symbol for symbol, _ in groupby(source)))
