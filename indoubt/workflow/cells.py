"""Cells: what is measured of each learner on each (task, size), put together from all experiments.

A cell whose seeds come in steps starts with a few and takes as many more each time, until it is decided or has its
most.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from indoubt.data.codes import FIRST, THE_PAPERS, CodeKind
from indoubt.data.rules import rules
from indoubt.data.seeds import parse_seeds
from indoubt.data.task import FPA, Task
from indoubt.errors import UserError
from indoubt.files import read_text
from indoubt.learner import InContextLearner, Learner
from indoubt.learners.sweeps import check_grid
from indoubt.workflow.config import Config, Experiment, UntilSure


@dataclass(frozen=True)
class Until:
    """Train seeds 1 to `first`, look, and go on in steps to at most `most`, until one rule is surely preferred."""

    first: int
    most: int

    @property
    def ends(self) -> tuple[int, ...]:
        """The last seed of each step: 12, 24, 36, ..., 96 and 100 for 12 to 100.

        Evidence by e-values may be looked at as often as one likes; doubling steps take a third more seeds.
        """
        return (*range(self.first, self.most, self.first), self.most)


@dataclass(frozen=True)
class Look:
    """What was seen of a cell at a look: how many seeds it had, and whether that decides it.

    `rule` is the one that leads, by `measure`; `e_value` is the least e-value against its equality with another rule,
    adjusted for all `n_pairs` pairs of rules of the task's cells; from `needed` on it decides.
    """

    seeds: int
    most: int
    decided: bool
    rule: str
    measure: str
    e_value: float
    needed: float
    n_pairs: int

    @property
    def open(self) -> bool:
        """Whether more seeds are to be trained."""
        return not self.decided and self.seeds < self.most


def reached(until: Until, cell: str, looks: Sequence[Mapping[str, Look]]) -> int:
    """The last seed of a cell that is to be trained, after some looks at its task's cells."""
    if not looks:
        return until.first
    last = looks[-1][cell]
    return next(end for end in until.ends if end > last.seeds) if last.open else last.seeds


def looks_text(cells: Mapping[str, Look]) -> str:
    """A look at all cells of a task, as its file holds it."""
    return json.dumps({cell: asdict(look) for cell, look in cells.items()}, indent=1, sort_keys=True) + "\n"


def read_look(path: Path) -> dict[str, Look]:
    """What was seen at a look, by cell (`size/learner`).

    Raises:
        UserError: the file is missing or damaged.
    """
    text = read_text(path, "run the workflow to make it")
    try:
        return {cell: Look(**look) for cell, look in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        raise UserError(f"{path} is damaged; delete it and run again") from None


def looks_in(folder: Path, task: str) -> list[dict[str, Look]]:
    """The looks at a task that a results folder holds, in order."""
    found: list[dict[str, Look]] = []
    while (path := folder / task / f"{len(found) + 1}.json").exists():
        found.append(read_look(path))
    return found


@dataclass
class CellPlan:
    """What is measured of one learner on one (task, size): for each seed the datasets that it needs.

    `milestones` holds, for seeds that are looked at during training, the updates at which, by dataset. `until`: its
    seeds are trained in steps, and `seeds` holds all that there can be. `code`: how its code lengths are measured;
    `beside`: of a cell that measures none, the rules whose first block's code is told where T's training has given it.
    """

    task: str
    size: int
    learner: str
    seeds: dict[int, list[str]] = field(default_factory=dict)
    milestones: dict[int, dict[str, list[int]]] = field(default_factory=dict)
    until: Until | None = None
    code: CodeKind = THE_PAPERS
    beside: list[str] = field(default_factory=list)

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
    kinds: dict[tuple[str, int, str], CodeKind] = {}
    for experiment in config.experiments:
        task = tasks[experiment.task]
        for size, learner in itertools.product(experiment.sizes or task.sizes, experiment.learners):
            check_grid(grids.get(learner, {}), learner, task, size)
            cell = cells.setdefault((task.name, size, learner), CellPlan(task.name, size, learner))
            _set_steps(cell, experiment)
            _set_kind(kinds, (task.name, size, learner), experiment, config)
            wanted = datasets_of(experiment, task)
            for seed in _seeds(experiment, grids.get(learner, {})):
                if experiment.milestones:
                    _add_milestones(cell.milestones.setdefault(seed, {}), experiment, task, learners[learner], learner)
                known = cell.seeds.get(seed, [])
                cell.seeds[seed] = [d for d in task.datasets if d in known or d in wanted]
    for place, cell in cells.items():
        cell.code = kinds.get(place, THE_PAPERS)
        if place not in kinds and config.codes == FIRST:
            cell.code, cell.beside = CodeKind("first"), list(rules(tasks[cell.task]))
        cell.seeds = dict(sorted(cell.seeds.items()))
    return dict(sorted(cells.items()))


def _add_milestones(
    known: dict[str, list[int]], experiment: Experiment, task: Task, learner: Learner, name: str
) -> None:
    """Add the updates at which an experiment looks at a seed's trainings, by dataset."""
    if isinstance(learner, InContextLearner):
        raise UserError(
            f"the configuration is wrong:\n  experiments ({experiment.task}): milestones: nothing is trained of "
            f"learner {name!r}, which is read in context, so there is nothing to look at on the way"
        )
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


def _set_kind(
    kinds: dict[tuple[str, int, str], CodeKind], place: tuple[str, int, str], experiment: Experiment, config: Config
) -> None:
    """Note how a cell's code lengths are measured; they cannot be measured in two ways."""
    kind = config.code_of(experiment)
    if kind is None:
        return
    known = kinds.setdefault(place, kind)
    if known != kind:
        raise UserError(
            f"the configuration is wrong:\n  {'/'.join(map(str, place))}: one experiment measures code lengths by "
            f"{known}, another by {kind}, and these are not put together; give all of its seeds one of them"
        )


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
    if experiment.measures_codes:
        wanted |= set(experiment.candidates or rules(task))
    return [dataset for dataset in task.datasets if dataset in wanted]
