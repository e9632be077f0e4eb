"""From predictions to the responses of a cell's seeds: which seeds follow none of the task's given rules?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from indoubt.data.criteria import criteria
from indoubt.data.task import Symbols, Task, words
from indoubt.found.library import Library, Numbers
from indoubt.measures.classify import DIVERGED, OTHER, UNFIT
from indoubt.measures.rows import ORIGIN, PROTOCOL, Row, either

Cell = tuple[str, int, str]


@dataclass(frozen=True)
class Responses:
    """What the seeds of a cell that fit T output, seeds in the order of their numbers.

    `other` are the seeds that follow no rule that was given; a rule that was found before is none. `about` is how they
    were made, as tables say it.
    """

    cell: Cell
    fitting: dict[int, dict[Symbols, Symbols]]
    other: list[int]
    about: Row

    def numbers(self, library: Library, seeds: Iterable[int]) -> Numbers:
        """(seeds, inputs): the outputs of some seeds as numbers of a library."""
        rows = [library.outputs.row(self.fitting[seed][source] for source in library.inputs) for seed in seeds]
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(library.inputs))


def cells(predictions: Iterable[Row]) -> Iterator[tuple[Cell, list[Row]]]:
    """The rows of each cell, in the order of task, size and learner."""
    grouped: dict[Cell, list[Row]] = {}
    for row in predictions:
        grouped.setdefault((row["task"], row["size"], row["learner"]), []).append(row)
    for cell in sorted(grouped):
        yield cell, grouped[cell]


def responses(task: Task, cell: Cell, rows: Iterable[Row]) -> Responses:
    """The responses of a cell's seeds, from its predictions."""
    decoded: dict[int, dict[Symbols, Symbols]] = {}
    labels: dict[int, str] = {}
    made: dict[str, set[object]] = {part: set() for part in (*PROTOCOL, *ORIGIN)}
    for row in rows:
        labels[row["seed"]] = row["class"]
        for part, values in made.items():
            values.add(row[part])
        if row["class"] not in (UNFIT, DIVERGED):
            decoded.setdefault(row["seed"], {})[words(row["src"])] = words(row["pred"])
    fitting = {seed: decoded[seed] for seed in sorted(decoded)}
    other = [seed for seed in fitting if _follows_none(task, cell[1], labels[seed], fitting[seed])]
    return Responses(cell, fitting, other, {part: either(values) for part, values in made.items()})


def _follows_none(task: Task, size: int, label: str, decoded: dict[Symbols, Symbols]) -> bool:
    """Whether a seed follows no given rule; one that follows a found rule may follow a given answer besides."""
    if label not in task.found_on:
        return label == OTHER
    holdout = task.holdout_inputs(size)
    given = [each for each in criteria(task) if each.name not in task.found_on]
    return not any(each.followed(decoded, holdout, size) for each in given)
