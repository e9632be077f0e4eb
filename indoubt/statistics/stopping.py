"""Decisions that stay right however often one looks: e-values of a coin's bias, adjusted over a family.

Of the seeds that tell two rules apart, a follow one and b the other (or have the shorter code). Were neither preferred,
each would be a fair coin's toss. The likelihood of a coin of unknown bias, mixed uniformly, over that of a fair one,

    e = 2^(a + b) a! b! / (a + b + 1)!

is a martingale then; by Ville's inequality it ever passes 1 / alpha with probability at most alpha, whenever and
however often one looks. (Ville 1939; Robbins, Annals of Mathematical Statistics 41, 1970; Ramdas, Grünwald, Vovk &
Shafer, Statistical Science 38, 2023.) Over a family: the closed test by arithmetic means of e-values, which holds under
any dependence (Vovk & Wang, Annals of Statistics 49, 2021).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import pandas as pd

from indoubt.data.task import Task, words
from indoubt.measures.classify import classify
from indoubt.measures.code_length import blocks_table, known_codes, seed_code_lengths
from indoubt.measures.rows import Row
from indoubt.schema import columns_of
from indoubt.statistics.paired import ALPHA
from indoubt.workflow.cells import Look, read_look

#: An e-value from which on it is sure: the chance that one of a family ever passes it unduly is ALPHA.
ENOUGH = 1 / ALPHA
#: Logarithm of the largest evidence that is told; a float holds not much more.
LARGEST = 700.0
#: Seeds that follow the first of two rules and seeds that follow the second.
Counts = tuple[int, int]


def e_value(a: int, b: int) -> float:
    """The evidence of a tosses against b that a coin is not fair: 1 for none; of fair coins, 1 in 20 ever passes 20."""
    log = (a + b) * math.log(2) + math.lgamma(a + 1) + math.lgamma(b + 1) - math.lgamma(a + b + 2)
    return math.exp(min(log, LARGEST))


def adjusted(values: Sequence[float]) -> list[float]:
    """E-values adjusted for being one of a family: of each, the least mean over sets of the family that hold it."""
    least_means = []
    for place, value in enumerate(values):
        total, least = value, value
        for count, other in enumerate(sorted([*values[:place], *values[place + 1 :]]), start=2):
            total += other
            least = min(least, total / count)
        least_means.append(least)
    return least_means


def followers(task: Task, size: int, rules: Sequence[str], decodes: Iterable[Row]) -> dict[tuple[str, str], Counts]:
    """For each two rules, the seeds that follow the one and the other."""
    outputs = {row["seed"]: row["outputs"] for row in decodes}
    texts = (None if each is None else [words(text) for text in each] for each in outputs.values())
    n = Counter(classify(task, size, each) for each in texts)
    return {(a, b): (n[a], n[b]) for a, b in combinations(rules, 2)}


def shorter(task: Task, rules: Sequence[str], scores: Iterable[Row]) -> dict[tuple[str, str], Counts]:
    """For each two rules, the seeds whose code is shorter by the one and by the other; ties tell nothing.

    Codes that differ by rounding alone are a tie, as in the table of preferences. Of raced codes a seed counts where it
    is sure which of the two is shorter: where one of them won.
    """
    lengths = seed_code_lengths(blocks_table(scores), {task.name: task})
    signs = {(a, b): known_codes(lengths, a, b)["sign"] for a, b in combinations(rules, 2)}
    return {pair: (int((sign == -1).sum()), int((sign == 1).sum())) for pair, sign in signs.items()}


def decide(
    cells: Mapping[str, Mapping[tuple[str, str], Counts]], seeds: Mapping[str, tuple[int, int, str]]
) -> dict[str, Look]:
    """What a look at a task's cells decides.

    A cell is decided if one rule is preferred to every other: it has the more seeds, and the adjusted e-value is at
    least ENOUGH.

    Args:
        cells: for each cell and two of its rules how many seeds are for the one and for the other.
        seeds: for each cell how many seeds it has, how many it may have, and by which measure they were counted.
    """
    family = [(cell, pair, counts) for cell, pairs in cells.items() for pair, counts in pairs.items()]
    values = adjusted([e_value(*counts) for *_, counts in family])
    looks = {}
    for cell, pairs in cells.items():
        of_pair = {pair: value for (of, pair, _), value in zip(family, values, strict=True) if of == cell}
        rules = dict.fromkeys(rule for pair in pairs for rule in pair)
        least = {rule: _against_all(rule, pairs, of_pair) for rule in rules}
        rule = max(least, key=lambda each: least[each])
        n, most, measure = seeds[cell]
        decided = least[rule] >= ENOUGH
        looks[cell] = Look(n, most, decided, rule, measure, least[rule], ENOUGH, len(family))
    return looks


def _against_all(rule: str, pairs: Mapping[tuple[str, str], Counts], values: Mapping[tuple[str, str], float]) -> float:
    """The least evidence that a rule is preferred to another; 0 where it has not the more seeds."""
    least = math.inf
    for (a, b), (n_a, n_b) in pairs.items():
        if rule in (a, b):
            ahead = n_a > n_b if rule == a else n_b > n_a
            least = min(least, values[a, b] if ahead else 0.0)
    return least


def stops_table(paths: Iterable[Path]) -> pd.DataFrame:
    """One row per cell of steps, as its last look saw it.

    `e_value` is the least evidence that `rule` is preferred to another of the task's rules, by `measure`, adjusted over
    the `n_pairs` pairs of the task's cells (`adjusted`); from `needed` on the cell is decided.

    Args:
        paths: the files of all looks, `{task}/{number}.json`.
    """
    by_task: dict[str, dict[int, dict[str, Look]]] = {}
    for path in paths:
        by_task.setdefault(path.parent.name, {})[int(path.stem)] = read_look(path)
    rows: list[Row] = []
    for task, looks in sorted(by_task.items()):
        for name, look in looks[max(looks)].items():
            size, learner = name.split("/", 1)
            n_looks = 1 + min(number for number in looks if looks[number][name].seeds == look.seeds) - min(looks)
            rows.append(
                {"task": task, "size": int(size), "learner": learner, "n_seeds": look.seeds, "at_most": look.most}
                | {"n_looks": n_looks, "decided": look.decided, "rule": look.rule, "measure": look.measure}
                | {"e_value": look.e_value, "needed": look.needed, "n_pairs": look.n_pairs, "why": _why(look)}
            )
    return pd.DataFrame(rows, columns=columns_of("stops"))


def _why(look: Look) -> str:
    measure = "code length" if look.measure == "code_length" else "FPA"
    evidence = f"e-value {look.e_value:.3g} against {look.needed:.0f}, by {measure}, adjusted over {look.n_pairs} pairs"
    if look.decided:
        return f"{look.seeds} seeds: sure that {look.rule} is preferred ({evidence})"
    return f"{look.seeds} seeds, the most there may be: not sure; {look.rule} leads ({evidence})"
