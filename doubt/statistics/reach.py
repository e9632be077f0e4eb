"""Whether the seeds that a configuration asks for can reach any verdict at all, said before anything is trained."""

from __future__ import annotations

import itertools
from collections import defaultdict

from doubt.data.random_candidate import rules
from doubt.data.task import FPA
from doubt.statistics.paired import needed_to_test
from doubt.workflow.planning.cells import CellPlan
from doubt.workflow.planning.plan import Plan

#: Cells that are named; of more their number is said.
NAMED = 4


def out_of_reach(plan: Plan) -> list[str]:
    """A sentence for each task and measure in which some cells have too few seeds for any rule to be preferred.

    The correction is over all pairs of rules of all cells of a task, so that each further learner or size asks for more
    seeds of all. Cells whose seeds come in steps are decided otherwise, but their pairs count.
    """
    found: dict[tuple[str, str], list[tuple[CellPlan, list[int]]]] = defaultdict(list)
    for cell in plan.cells.values():
        candidates = list(rules(plan.tasks[cell.task]))
        pairs = list(itertools.combinations(candidates, 2))
        of_fpa = sum(FPA in datasets for datasets in cell.seeds.values())
        found[cell.task, "FPA"].append((cell, [of_fpa] * len(pairs) * bool(of_fpa)))
        both = [sum({a, b} <= set(datasets) for datasets in cell.seeds.values()) for a, b in pairs]
        found[cell.task, "code length"].append((cell, [n for n in both if n]))
    return [said for (task, measure), cells in found.items() for said in _said(task, measure, cells)]


def _said(task: str, measure: str, cells: list[tuple[CellPlan, list[int]]]) -> list[str]:
    n_family = sum(len(pairs) for _, pairs in cells)
    needed = needed_to_test(n_family) if n_family else 0
    few = [(cell.name, min(pairs)) for cell, pairs in cells if pairs and cell.until is None and min(pairs) < needed]
    if not few:
        return []
    names = [f"{name} ({n})" for name, n in few]
    named = ", ".join(names if len(names) <= NAMED else [*names[: NAMED - 1], f"{len(names) - NAMED + 1} more"])
    return [
        f"{task}: no rule can be preferred by {measure} with fewer than {needed} seeds, since {n_family} "
        f"pair{'s' * (n_family > 1)} of rules (of all learners and sizes of the task) are corrected together; too few: "
        f"{named}."
    ]
