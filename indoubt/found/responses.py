"""The responses of a cell's seeds that follow none of the task's given rules, and what needs no language.

That is how far seeds agree, and of which kind their outputs are: T's own, the input's symbols in some order, the
longest there are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from statsmodels.stats.inter_rater import fleiss_kappa

from indoubt.data.rules import criteria
from indoubt.data.task import Symbols, Task, words
from indoubt.found.library import LENGTHS, SEQUENCES, Bits, Library, Numbers
from indoubt.measures.classify import DIVERGED, OTHER, UNFIT
from indoubt.measures.rows import Row, either
from indoubt.schema import ORIGIN, PROTOCOL

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


def modal(responses: Numbers) -> Numbers:
    """For each input the output that most seeds give, the first of equals: no one rule can give more of them."""
    return np.array([np.bincount(column).argmax() for column in responses.T])


def entropy_bits(responses: Numbers) -> float:
    """The entropy of the outputs of an input over seeds, mean over inputs, in bits."""
    of_inputs = []
    for column in responses.T:
        shares = np.unique(column, return_counts=True)[1] / len(column)
        of_inputs.append(float(-(shares * np.log2(shares)).sum()))
    return max(0.0, sum(of_inputs) / len(of_inputs))


def fleiss(categories: Numbers) -> tuple[float, float, float]:
    """Fleiss' kappa, the agreement of seeds beyond chance, with a 95 % interval by the jackknife over seeds.

    A bootstrap would draw a seed twice, which agrees with itself.

    Args:
        categories: (seeds, inputs), numbers of outputs that are the same for all inputs.

    Source: J. L. Fleiss, Psychological Bulletin 76 (1971), by statsmodels.
    """
    n_seeds = len(categories)
    counts = np.zeros((categories.shape[1], int(categories.max()) + 1))
    rows = np.arange(categories.shape[1])
    for seed in categories:
        counts[rows, seed] += 1
    if n_seeds < 2 or (counts.sum(axis=0) > 0).sum() < 2:
        return math.nan, math.nan, math.nan
    kappa = float(fleiss_kappa(counts))
    without = []
    for seed in categories if n_seeds > 2 else ():
        counts[rows, seed] -= 1
        without.append(float(fleiss_kappa(counts)) if (counts.sum(axis=0) > 0).sum() > 1 else kappa)
        counts[rows, seed] += 1
    if not without:
        return kappa, math.nan, math.nan
    spread = math.sqrt((n_seeds - 1) * float(np.var(without)))
    return kappa, kappa - 1.96 * spread, kappa + 1.96 * spread


#: The share of a cell's answers that must be of a kind.
SHARE = 0.9
#: Symbols at which decoding stops. (fairseq/sequence_generator.py: max_len_b)
CUT_OFF = 200


@dataclass(frozen=True)
class Kind:
    """A kind of outputs in words and in short, and the share of each seed's outputs that are of it."""

    words: str
    short: str
    shares: Bits


def best_kind(library: Library, responses: Numbers) -> Kind | None:
    """The first kind that `SHARE` of the responses are of, of those that say something for the task."""
    of_t = set(library.training.values())
    lengths = {len(source) for source in library.inputs}
    kinds: list[tuple[bool, str, str, Callable[[Symbols, Symbols], bool]]] = [
        (
            library.grammar == LENGTHS,
            "cut off at the longest output there is",
            "cut off",
            lambda _, o: len(o) >= CUT_OFF,
        ),
        (
            len(of_t) > 1 and library.grammar in (LENGTHS, SEQUENCES),
            "one of T's outputs",
            "one of T's",
            lambda _, output: output in of_t,
        ),
        (
            library.grammar == SEQUENCES,
            "the input's symbols in some order",
            "reordered",
            lambda source, output: sorted(source) == sorted(output),
        ),
        (
            library.grammar == SEQUENCES and len(lengths) > 1,
            "as long as the input",
            "input's length",
            lambda source, output: len(source) == len(output),
        ),
    ]
    for applies, text, short, holds in kinds:
        if applies:
            shares = of_kind(library, responses, holds).mean(axis=1)
            if shares.mean() >= SHARE:
                return Kind(text, short, shares)
    return None


def of_kind(library: Library, responses: Numbers, holds: Callable[[Symbols, Symbols], bool]) -> Numbers:
    """(seeds, inputs): whether a response is of a kind, which is told of source and output."""
    outputs, places = library.outputs.said, library.outputs.places
    numbers = np.array([holds(library.inputs[place], output) for output, place in zip(outputs, places, strict=True)])
    return numbers[responses]
