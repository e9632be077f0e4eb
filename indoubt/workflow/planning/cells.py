"""Cells: what is measured of each learner on each (task, size), put together from all experiments."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from indoubt.data.rules import rules
from indoubt.data.seeds import parse_seeds
from indoubt.data.task import FPA, Task
from indoubt.errors import UserError
from indoubt.learners.grids import check_grid
from indoubt.training import Learner
from indoubt.workflow.planning.config import Config, Experiment, UntilSure
from indoubt.workflow.planning.steps import Until


@dataclass
class CellPlan:
    """What is measured of one learner on one (task, size): for each seed the datasets that it needs.

    `milestones` holds, for seeds that are looked at during training, the updates at which, by dataset. `until`: its
    seeds are trained in steps, and `seeds` holds all that there can be.
    """

    task: str
    size: int
    learner: str
    seeds: dict[int, list[str]] = field(default_factory=dict)
    milestones: dict[int, dict[str, list[int]]] = field(default_factory=dict)
    until: Until | None = None

    @property
    def name(self) -> str:
        """The cell's name within its task."""
        return f"{self.size}/{self.learner}"

    @property
    def datasets(self) -> list[str]:
        """All datasets that some seed needs, sorted."""
        return sorted({dataset for datasets in self.seeds.values() for dataset in datasets})

    @property
    def folder(self) -> str:
        return f"{self.task}/{self.size}/{self.learner}"


def cells_of(
    config: Config, tasks: Mapping[str, Task], grids: Mapping[str, dict[str, Any]], learners: Mapping[str, Learner]
) -> dict[tuple[str, int, str], CellPlan]:
    """All cells of the experiments; what several experiments ask of one seed is put together."""
    cells: dict[tuple[str, int, str], CellPlan] = {}
    for experiment in config.experiments:
        task = tasks[experiment.task]
        for size, learner in itertools.product(experiment.sizes or task.sizes, experiment.learners):
            check_grid(grids.get(learner, {}), learner, task, size)
            cell = cells.setdefault((task.name, size, learner), CellPlan(task.name, size, learner))
            _set_steps(cell, experiment)
            wanted = datasets_of(experiment, task)
            for seed in _seeds(experiment, grids.get(learner, {})):
                if experiment.milestones:
                    _add_milestones(cell.milestones.setdefault(seed, {}), experiment, task, learners[learner], learner)
                known = cell.seeds.get(seed, [])
                cell.seeds[seed] = [d for d in task.datasets if d in known or d in wanted]
    for cell in cells.values():
        cell.seeds = dict(sorted(cell.seeds.items()))
    return dict(sorted(cells.items()))


def _add_milestones(
    known: dict[str, list[int]], experiment: Experiment, task: Task, learner: Learner, name: str
) -> None:
    """Add the updates at which an experiment looks at a seed's trainings, by dataset."""
    if experiment.milestones[-1] > learner.updates:
        raise UserError(
            f"the configuration is wrong:\n  experiments ({experiment.task}): milestones: {experiment.milestones[-1]} "
            f"is beyond the {learner.updates} updates of learner {name!r}"
        )
    for dataset in datasets_of(experiment, task):
        if ("fpa" if dataset == FPA else "code_length") in experiment.milestone_measures:
            known[dataset] = sorted({*known.get(dataset, []), *experiment.milestones})


def _set_steps(cell: CellPlan, experiment: Experiment) -> None:
    """Note that a cell's seeds are trained in steps; it cannot have others beside them."""
    until = experiment.seeds
    steps = Until(until.first, until.at_most) if isinstance(until, UntilSure) else None
    if cell.seeds and cell.until != steps:
        raise UserError(
            f"the configuration is wrong:\n  {cell.folder}: one experiment gives its seeds with `until: sure`, another "
            "otherwise; give all of its seeds in one way"
        )
    cell.until = steps


def _seeds(experiment: Experiment, grid: Mapping[str, Any]) -> list[int]:
    """The experiment's seeds, or those of the grid file that the learner comes from; of steps, all there can be."""
    if isinstance(experiment.seeds, UntilSure):
        return list(range(1, experiment.seeds.at_most + 1))
    if experiment.seeds is None and "seed" not in grid:
        raise UserError(f"the configuration is wrong:\n  experiments ({experiment.task}): the key `seeds` is missing")
    return experiment.seeds or parse_seeds(grid["seed"])


def datasets_of(experiment: Experiment, task: Task) -> list[str]:
    """The datasets that an experiment's measures need, in the task's order."""
    wanted = {FPA} if "fpa" in experiment.measures else set()
    if "code_length" in experiment.measures:
        wanted |= set(experiment.candidates or rules(task))
    return [dataset for dataset in task.datasets if dataset in wanted]
