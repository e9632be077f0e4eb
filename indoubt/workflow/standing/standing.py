"""Where a configuration stands: which of its trainings the ledger has, and why the others are to be done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from indoubt.data.binary import Dataset, dataset_in_memory
from indoubt.data.task import Task
from indoubt.training import Result, Training
from indoubt.workflow.planning.cells import CellPlan
from indoubt.workflow.planning.identity import same_numbers
from indoubt.workflow.planning.plan import Plan
from indoubt.workflow.planning.steps import Look, looks_in, reached
from indoubt.workflow.running.kept import kept_at
from indoubt.workflow.running.ledger import Ledger, read_label, read_records, shelf_of
from indoubt.workflow.running.measurement import Cell, chains

NEW = "not trained so far"
CODE = "the code that trains has changed since they were trained"
MORE = "more is asked of them (a candidate or measure is new), and their weights were not kept"
KEPT = "more is asked of them (a candidate or measure is new); the weights kept are scored, nothing is trained"
HOLD_OUT = "not trained so far on these examples (a new candidate, or its rule has changed)"
MILESTONES = "they are looked at during training at new milestones, which what was kept of them does not hold"
DATA = "T or the dictionaries have changed"

#: (task, size, learner, seed, block): how a person names a training.
Name = tuple[str, int, str, int, int]


@dataclass
class Standing:
    """One cell: the results that are there, by seed and block, and the trainings that are missing.

    `repeated` are trainings of which the ledger holds several results with different numbers, those that count last.
    """

    cell: CellPlan
    done: list[tuple[int, int, Result]] = field(default_factory=list)
    missing: list[Training] = field(default_factory=list)
    repeated: list[tuple[Training, list[Result]]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return len(self.done) + len(self.missing)


def standings(plan: Plan, ledger: Path) -> Iterator[Standing]:
    """Every cell of a plan, compared with the ledger; of seeds in steps those up to the step that is due."""
    ledgers: dict[str, Ledger] = {}
    for cell in plan.cells.values():
        code = plan.engine_hash_of(cell)
        standing = Standing(cell)
        looks = looks_in(ledger.parent / "looks", cell.task) if cell.until is not None else []
        for training in wanted(plan, cell, looks):
            known = ledgers.setdefault(code, Ledger(ledger, code))
            result, results = known.find(training), known.results(training)
            if len(results) > 1:
                standing.repeated.append((training, results))
            if result is None:
                standing.missing.append(training)
            else:
                standing.done.append((training.seed, training.block, result))
        yield standing


def wanted(plan: Plan, cell: CellPlan, looks: Sequence[Mapping[str, Look]] = ()) -> list[Training]:
    """All trainings that a cell needs, each once, as its jobs would make them; of steps, after some looks."""
    seen = [look for look in looks if cell.name in look]
    last = max(cell.seeds) if cell.until is None else reached(cell.until, cell.name, seen)
    requests = [(dataset, seed) for seed, names in cell.seeds.items() if seed <= last for dataset in names]
    blocks = range(plan.tasks[cell.task].n_blocks(cell.size))
    return [training for chain in chains(as_measured(plan, cell), requests, blocks) for training in chain]


def as_measured(plan: Plan, cell: CellPlan) -> Cell:
    """A cell with its datasets, as its jobs have it."""
    task = plan.tasks[cell.task]
    datasets = {name: _dataset(task, cell.size, name) for name in cell.datasets}
    learner, block_size = plan.learners[cell.learner], task.block_size_at(cell.size)
    n_training = len(task.training_inputs(cell.size))
    return Cell(datasets, n_training, block_size, learner, plan.protocol, cell.milestones)


class Reasons:
    """Why trainings are missing: by what the ledger knows of the same trainings under other code, data or learners."""

    def __init__(self, ledger: Path, checkpoints: Path) -> None:
        self._ledger, self._checkpoints = ledger, checkpoints
        self._ledgers: dict[str, Ledger] = {}
        self._codes: dict[str, set[str]] = {}
        self._shelves: dict[Name, dict[Path, dict[str, Any]]] = {}
        for shelf in sorted(ledger.glob("*/*/")):
            for record in read_records(shelf):
                self._codes.setdefault(record.result.key, set()).add(shelf.parent.name)
                note = record.note
                name = (note["task"], note["size"], note["learner"], note["seed"], note["block"])
                self._shelves.setdefault(name, {})[shelf] = note

    def of(self, plan: Plan, standing: Standing) -> Counter[str]:
        """How many of a cell's missing trainings are missing for which reason, in words."""
        code = plan.engine_hash_of(standing.cell)
        return Counter(self._reason(plan, standing.cell, code, training) for training in standing.missing)

    def _reason(self, plan: Plan, cell: CellPlan, code: str, training: Training) -> str:
        codes = self._codes.get(training.key, set())
        if not codes.isdisjoint(same_numbers(code)):
            if not self._ledgers.setdefault(code, Ledger(self._ledger, code)).has_milestones(training):
                return MILESTONES
            kept = kept_at(self._checkpoints, code, training)
            return KEPT if kept is not None and training.chain is None else MORE
        if codes:
            return CODE
        name = (cell.task, cell.size, cell.learner, training.seed, training.block)
        if name not in self._shelves:
            return NEW
        shelves = self._shelves[name]
        same = [shelf for shelf in shelves if shelf.name == shelf_of(training)]
        shelf = same[0] if same else next(reversed(shelves))
        note = shelves[shelf]
        before, now = _label(shelf).get("learner", {}), training.learner
        changes = _changes(before.get("arguments", {}), now.arguments)
        changes += _changes({k: before.get(k) for k in ("updates", "batch_size")}, vars(now))
        changes += _changes({k: note.get(k) for k in ("adam_state", "rng_streams")}, vars(training.protocol))
        return f"changed: {', '.join(changes)}" if changes else HOLD_OUT if same else DATA


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [
        f"{key} from {_plain(value)} to {now[key]}" for key, value in before.items() if key in now and now[key] != value
    ]


def _plain(value: object) -> str:
    """A value of a label, which may be somebody else's, as a terminal may show it."""
    return "".join(each for each in str(value) if each.isprintable())


@cache
def _label(shelf: Path) -> dict[str, Any]:
    return read_label(shelf)


@cache
def _dataset(task: Task, size: int, name: str) -> Dataset:
    """A dataset of a task, made once."""
    return dataset_in_memory(task, size, name)
