"""Whether the seeds that a configuration asks for can reach any verdict at all, said before anything is trained."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict

from indoubt.data.rules import rules
from indoubt.data.task import FPA
from indoubt.statistics.paired import needed_to_test
from indoubt.statistics.stopping import ENOUGH, adjusted, e_value
from indoubt.workflow.cells import CellPlan
from indoubt.workflow.plan import Plan

#: Cells that are named; of more their number is said.
NAMED = 4


def out_of_reach(plan: Plan) -> list[str]:
    """A sentence for each task and measure in which some cells have too few seeds for any rule to be preferred.

    The correction is over all pairs of rules of all cells of a task, so that each further learner or size asks for more
    seeds of all. Cells whose seeds come in steps are decided otherwise, by e-values, but their pairs count.
    """
    families: dict[tuple[str, str], list[tuple[CellPlan, list[int]]]] = defaultdict(list)
    for cell in plan.cells.values():
        candidates = list(rules(plan.tasks[cell.task]))
        pairs = list(itertools.combinations(candidates, 2))
        of_fpa = sum(FPA in datasets for datasets in cell.seeds.values())
        families[cell.task, "FPA"].append((cell, [of_fpa] * len(pairs) * bool(of_fpa)))
        both = [sum({a, b} <= set(datasets) for datasets in cell.seeds.values()) for a, b in pairs]
        families[cell.task, "code length"].append((cell, [n for n in both if n]))
    return [
        said
        for (task, measure), cells in families.items()
        for said in (*_said(task, measure, cells), *_said_of_steps(task, measure, cells))
    ]


def _said(task: str, measure: str, cells: list[tuple[CellPlan, list[int]]]) -> list[str]:
    n_family = sum(len(pairs) for _, pairs in cells)
    needed = needed_to_test(n_family) if n_family else 0
    few = [(cell.name, min(pairs)) for cell, pairs in cells if pairs and cell.until is None and min(pairs) < needed]
    if not few:
        return []
    return [
        f"{task}: no rule can be preferred by {measure} with fewer than {needed} seeds, since {n_family} "
        f"pair{'s' * (n_family > 1)} of rules (of all learners and sizes of the task) are corrected together; too few: "
        f"{_named(few)}."
    ]


def _said_of_steps(task: str, measure: str, cells: list[tuple[CellPlan, list[int]]]) -> list[str]:
    """The same of cells whose seeds come in steps: those whose most seeds, were they all as one, are not enough."""
    steps = [(cell, pairs) for cell, pairs in cells if pairs and cell.until is not None]
    most = [_most_evidence(pairs, measure == "FPA") for _, pairs in steps]
    values = iter(adjusted([value for of_cell in most for value in of_cell]))
    best = [max(itertools.islice(values, len(of_cell))) for of_cell in most]
    few = [(cell.name, max(pairs)) for (cell, pairs), value in zip(steps, best, strict=True) if value < ENOUGH]
    if not few:
        return []
    return [
        f"{task}: however many agree, so few seeds make no rule sure by {measure} (an e-value of {ENOUGH:.0f} is "
        f"needed): {_named(few)}; raise `at_most`."
    ]


def _most_evidence(pairs: list[int], exclusive: bool) -> list[float]:
    """For each pair of a cell's rules the largest e-value that so many seeds can give, at one time with the others.

    Args:
        pairs: the seeds of each pair.
        exclusive: a seed follows one rule only, so that of two rules that are not the first none has more than half.
    """
    n_rules = round((1 + math.sqrt(1 + 8 * len(pairs))) / 2)
    return [e_value(n // 2 if exclusive and place >= n_rules - 1 else n, 0) for place, n in enumerate(pairs)]


def _named(few: list[tuple[str, int]]) -> str:
    names = [f"{name} ({n})" for name, n in few]
    return ", ".join(names if len(names) <= NAMED else [*names[: NAMED - 1], f"{len(names) - NAMED + 1} more"])
