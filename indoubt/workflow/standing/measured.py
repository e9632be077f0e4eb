"""What of a configuration has been measured: the same configuration, narrowed to the seeds that are whole."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indoubt.data.seeds import ranges
from indoubt.data.task import Task
from indoubt.errors import UserError
from indoubt.learners.sweeps import expand_learners
from indoubt.workflow.planning.cells import CellPlan, datasets_of
from indoubt.workflow.planning.config import Experiment, UntilSure
from indoubt.workflow.planning.plan import Plan
from indoubt.workflow.running.ledger import Ledger
from indoubt.workflow.running.measurement import Cell, chains
from indoubt.workflow.standing.standing import as_measured


@dataclass(frozen=True)
class Narrowed:
    """A configuration of what has been measured, and in words what it lacks, for each cell of an experiment."""

    content: dict[str, Any]
    missing: list[str]


def narrowed(content: dict[str, Any], plan: Plan, ledger: Path) -> Narrowed:
    """Keep of each experiment the seeds whose trainings are all in the ledger.

    Seeds in steps (`until: sure`) are kept as numbers: of a run that was stopped nothing is sure.

    Args:
        content: the configuration that `plan` was made of.

    Raises:
        UserError: no seed is whole.
    """
    whole = _Whole(plan, ledger)
    sweeps = expand_learners(content).sweeps
    experiments, missing = [], []
    for given, experiment in zip(content["experiments"], plan.config.experiments, strict=True):
        task = plan.tasks[experiment.task]
        alike: dict[tuple[int, str], list[str]] = {}
        for size, name in itertools.product(experiment.sizes or task.sizes, given["learners"]):
            cells = [plan.cell(task.name, size, learner) for learner in sweeps.get(name, [name])]
            wanted = _seeds(experiment, cells[0])
            seeds = [seed for seed in wanted if all(whole.has(cell, seed, experiment, task) for cell in cells)]
            if seeds:
                alike.setdefault((size, ranges(seeds, ", ")), []).append(name)
            if len(seeds) < len(wanted):
                measures = " and ".join(experiment.measures)
                missing.append(f"{task.name}/{size}/{name}: {measures}: {len(seeds)} of {len(wanted)} seeds")
        for (size, seeds_said), names in alike.items():
            experiments.append({**given, "sizes": [size], "learners": names, "seeds": seeds_said})
    if not experiments:
        raise UserError(f"no seed of this configuration has all of its trainings in {ledger}")
    return Narrowed({**content, "experiments": experiments}, missing)


def _seeds(experiment: Experiment, cell: CellPlan) -> list[int]:
    """An experiment's seeds: its own, or all of its cell's where a grid file or steps give them."""
    given = experiment.seeds
    return list(cell.seeds) if given is None or isinstance(given, UntilSure) else given


class _Whole:
    """Which seeds of a plan's cells have all their trainings in a ledger."""

    def __init__(self, plan: Plan, ledger: Path) -> None:
        self._plan, self._folder = plan, ledger
        self._ledgers: dict[str, Ledger] = {}
        self._cells: dict[str, Cell] = {}

    def has(self, cell: CellPlan, seed: int, experiment: Experiment, task: Task) -> bool:
        """Whether all that an experiment measures of a seed is there."""
        if cell.folder not in self._cells:
            self._cells[cell.folder] = as_measured(self._plan, cell)
        code = self._plan.engine_hash_of(cell)
        ledger = self._ledgers.setdefault(code, Ledger(self._folder, code))
        requests = [(dataset, seed) for dataset in datasets_of(experiment, task)]
        # T first: where it was not trained on, all that follows need not be made up
        for blocks in (range(1), range(task.n_blocks(cell.size))):
            wanted = chains(self._cells[cell.folder], requests, blocks)
            if any(ledger.find(training) is None for chain in wanted for training in chain):
                return False
        return True
