"""Where a configuration stands: which of its trainings the ledger has, and why the others are to be done.

The same is asked of tables (are they this configuration's, or an earlier one's?) and of results that Snakemake takes
for up to date. It goes by times and by its own notes (`.snakemake`), and knows nothing of a ledger that has lost or
gained trainings, of results that were moved or copied without its notes, or of rows that were edited.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from indoubt.data.datasets import Dataset, dataset_in_memory
from indoubt.data.task import FPA, Task
from indoubt.training import Result, Training
from indoubt.workflow.cells import CellPlan, Look, looks_in, reached
from indoubt.workflow.identity import same_numbers
from indoubt.workflow.job import Job
from indoubt.workflow.jobs import rows_text
from indoubt.workflow.ledger import Ledger, read_label, read_records, shelf_of
from indoubt.workflow.plan import Chunk, Plan
from indoubt.workflow.progress import RUN_FILE
from indoubt.workflow.required_trainings import Cell, chains, kept_at, required
from indoubt.workflow.start_trainings import before_of, with_starts

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
    """Every cell of a plan, compared with the ledger; of seeds in steps those up to the step that is due.

    A start that several cells go on from counts with the first of them.
    """
    ledgers: dict[str, Ledger] = {}
    counted: set[str] = set()
    for cell in plan.cells.values():
        code = plan.engine_hash_of(cell)
        standing = Standing(cell)
        looks = looks_in(ledger.parent / "looks", cell.task) if cell.until is not None else []
        known = ledgers.setdefault(code, Ledger(ledger, code))
        trainings = wanted(plan, cell, known, looks)
        starts = {training.start.key for training in trainings if training.start is not None}
        for training in trainings:
            if training.key in counted:
                continue
            counted |= starts & {training.key}
            result, results = known.find(training), known.results(training)
            if len(results) > 1:
                standing.repeated.append((training, results))
            if result is None:
                standing.missing.append(training)
            else:
                standing.done.append((training.seed, training.block, result))
        yield standing


def wanted(plan: Plan, cell: CellPlan, ledger: Ledger, looks: Sequence[Mapping[str, Look]] = ()) -> list[Training]:
    """All trainings that a cell needs, its starts first, each once, as its jobs would make them; of steps, after some
    looks. Of races they are those that take part so far, and those that come next.
    """
    seen = [look for look in looks if cell.name in look]
    last = max(cell.seeds) if cell.until is None else reached(cell.until, cell.name, seen)
    requests = [(dataset, seed) for seed, names in cell.seeds.items() if seed <= last for dataset in names]
    blocks = range(plan.tasks[cell.task].n_blocks(cell.size))
    return with_starts(required(as_measured(plan, cell), requests, blocks, ledger))


def as_measured(plan: Plan, cell: CellPlan) -> Cell:
    """A cell with its datasets, as its jobs have it."""
    task = plan.tasks[cell.task]
    datasets = {name: _dataset(task, cell.size, name) for name in [*cell.datasets, *cell.beside]}
    learner, block_size = plan.learners[cell.learner], task.block_size_at(cell.size)
    n_training = len(task.training_inputs(cell.size))
    before = None
    if cell.learner in plan.starts:
        start = plan.starts[cell.learner]
        of_stages = [_dataset(plan.tasks[each.task], each.size, each.dataset) for each in start.stages]
        before = before_of(start, of_stages, learner)
        datasets = {name: before.joint(dataset) for name, dataset in datasets.items()}
    return Cell(datasets, n_training, block_size, learner, plan.protocol, cell.milestones, before, cell.code)


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
            weights = kept_at(self._checkpoints, code, training)
            return KEPT if weights is not None and training.chain is None else MORE
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


Place = tuple[str, ...]


def belong(tables: Path, plan: Plan) -> bool:
    """Whether tables hold a plan's cells and seeds, measured on its trainings; of seeds in steps there may be fewer."""
    # task, size, learner and seed, with the training of a seed's outputs, and with the candidates of its codes
    seeds, codes, may_lack = set[Place](), set[Place](), set[Place]()
    for cell in plan.cells.values():
        place = (cell.task, str(cell.size), cell.learner)
        of_fpa = [(FPA, seed) for seed, datasets in cell.seeds.items() if FPA in datasets]
        trained = chains(as_measured(plan, cell), of_fpa, range(1)) if of_fpa else []
        of_cell = {(*place, str(training.seed), training.key) for chain in trained for training in chain}
        of_codes = {(*place, str(seed), each) for seed, each in _candidates(cell.seeds)}
        of_codes |= (beside := {(*place, str(seed), each) for seed in cell.seeds for each in cell.beside})
        may_lack |= beside
        seeds |= of_cell
        codes |= of_codes
        if cell.until is not None:
            may_lack |= of_cell | of_codes
    rows = _rows(tables / "seed_classes.csv", "training_id"), _rows(tables / "seed_code_lengths.csv", "candidate")
    return all(there <= wanted <= there | may_lack for there, wanted in zip(rows, (seeds, codes), strict=True))


def _candidates(seeds: Mapping[int, Sequence[str]]) -> list[tuple[int, str]]:
    return [(seed, dataset) for seed, datasets in seeds.items() for dataset in datasets if dataset != FPA]


def _rows(table: Path, last: str) -> set[Place]:
    """Task, size, learner, seed and one more column of a table; nothing where it is missing, or is another's."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            return {
                tuple(row[name] for name in ("task", "size", "learner", "seed", last)) for row in csv.DictReader(file)
            }
    except (OSError, KeyError, ValueError, csv.Error):
        return set()


#: Of so many jobs each is named to Snakemake; of more, their rule.
MOST_NAMED = 500
#: What Snakemake says in its summary of a file that it has no note of, and of one that it will not make.
NO_NOTE, LEFT_ALONE = "-", "no update"


def outdated(plan: Plan, summary: Iterable[Mapping[str, str]], results: Path) -> list[str]:
    """Rules and files that Snakemake is to be told to make anew.

    Args:
        summary: the lines of `snakemake --summary`: `output_file`, `rule`, `log-file(s)` and `plan` of each file.
    """
    lines = [line for line in summary if line["plan"] == LEFT_ALONE]
    unknown = {line["rule"] for line in lines if line["log-file(s)"] == NO_NOTE and Path(line["output_file"]).exists()}
    if unknown:
        return sorted(unknown)
    files = [line["output_file"] for line in lines]
    targets = [*_jobs(plan, files, results / "ledger"), *_cells(plan, files, results / "runs")]
    return sorted({"train", "collect"} if len(targets) > MOST_NAMED else targets)


def _jobs(plan: Plan, files: Iterable[str], ledger: Path) -> Iterator[str]:
    """The files of jobs that are missing, or hold other rows than the job would write now."""
    ledgers: dict[str, Ledger] = {}
    by_cell: dict[str, list[tuple[str, CellPlan, Chunk]]] = {}
    for file in files:
        match = RUN_FILE.fullmatch(file)
        if match:
            cell = plan.cell(match[1], match[2], match[3])
            by_cell.setdefault(cell.folder, []).append((file, cell, plan.chunk(cell, match[4])))
    for jobs in by_cell.values():
        measured = as_measured(plan, jobs[0][1])
        datasets = measured.datasets
        for file, cell, chunk in jobs:
            job = Job.from_json(json.dumps(plan.job(cell, chunk)))
            known = ledgers.setdefault(job.engine_hash, Ledger(ledger, job.engine_hash))
            path = Path(file)
            if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != rows_text(
                job, datasets, known, measured.before
            ):
                yield file


def _cells(plan: Plan, files: Iterable[str], runs: Path) -> Iterator[str]:
    """The files of cells that do not hold the rows of their jobs."""
    here = set(files)
    for cell in plan.cells.values():
        file = str(runs / f"{cell.folder}.jsonl")
        jobs = [str(runs / cell.folder / chunk.path) for chunk in plan.chunks(cell)]
        parts = [Path(job) for job in jobs if job in here and Path(job).exists()]
        if file not in here or not Path(file).exists() or len(parts) < len(jobs):
            continue
        if b"".join(part.read_bytes() for part in parts) != Path(file).read_bytes():
            yield file
