"""Found rules to call, as a notebook has them."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from indoubt.data.task import Symbols, Task
from indoubt.found.building import grammar_of, searched
from indoubt.found.emitted import Function, function, function_source


@dataclass(frozen=True)
class FoundRule:
    """A rule that was found: in words, as the text of a Python function, and to call.

    `rule("a b b b a")` or `rule(("a", "b", "b", "b", "a"))` is what it gives for a source.
    """

    words: str
    python: str
    _size: int = field(repr=False)
    _function: Function = field(repr=False)

    def __call__(self, source: str | Symbols) -> Symbols | None:
        symbols = tuple(source.split()) if isinstance(source, str) else tuple(source)
        return self._function(symbols, self._size)


def found_rules(task: Task, size: int, rows: pd.DataFrame) -> dict[int, FoundRule]:
    """The rules of some rows of one cell of `found_rules`, by their parts; those without Python are left out."""
    training = dict(task.training_set(size))
    grammar = grammar_of(training, searched(task, size))
    return {
        int(row["part"]): FoundRule(
            str(row["words"]),
            function_source(row["python"], f"found_{row['part']}", size, training, grammar),
            size,
            function(row["python"], size, training, grammar),
        )
        for row in rows.to_dict("records")
        if row["python"]
    }
