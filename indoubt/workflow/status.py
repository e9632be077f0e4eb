"""Where a run stands, in words and numbers for people; and its configuration narrowed to the seeds that are whole."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from indoubt.data.seeds import ranges
from indoubt.data.task import Task
from indoubt.errors import UserError
from indoubt.learners.sweeps import expand_learners
from indoubt.schema.wording import time_left
from indoubt.workflow.cells import CellPlan, datasets_of
from indoubt.workflow.config import Experiment, UntilSure
from indoubt.workflow.estimate import was_trained
from indoubt.workflow.heartbeat import Sign, signs
from indoubt.workflow.identity import same_numbers
from indoubt.workflow.ledger import Ledger, read_records
from indoubt.workflow.missing import Reasons, Standing, as_measured, standings
from indoubt.workflow.plan import Plan
from indoubt.workflow.required_trainings import Cell, required

#: What trainings take is read off those that finished in so many seconds.
RECENTLY = 3600.0
STOPPED = {
    "failed": "failed",
    "stopped": "told to end; run again to resume",
    "dead": "no sign of life any more, killed perhaps; run again to resume",
}


def why(plan: Plan, results: Path) -> list[str]:
    """What a run would train, and why, cell by cell."""
    nothing = plan.nothing_done(results)
    if nothing is not None:
        return [nothing]
    found = list(standings(plan, results / "ledger"))
    total, missing = sum(each.total for each in found), sum(len(each.missing) for each in found)
    if not missing:
        return [f"No training to do: all {total:,} are in the ledger.", *repeated(found)]
    reasons = Reasons(results / "ledger", results / "checkpoints")
    lines = []
    for standing in found:
        counts = reasons.of(plan, standing)
        lines += [
            f"  {standing.cell.folder}: {n:,} of {standing.total:,}: {reason}" for reason, n in sorted(counts.items())
        ]
    lines = [f"{missing:,} of {total:,} trainings to do, {total - missing:,} are in the ledger. Why:", *lines]
    return lines + repeated(found)


def repeated(found: Iterable[Standing]) -> list[str]:
    """Which trainings the ledger holds several times with different numbers: what counts of them, and what does not."""
    pairs = [(standing.cell, *each) for standing in found for each in standing.repeated]
    if not pairs:
        return []
    cells = Counter(cell.folder for cell, _, _ in pairs)
    cell, training, results = pairs[0]
    made = " and ".join(f"{result.engine} on {result.device}, torch {result.torch}" for result in results[-2:])
    stand = "training stands" if len(pairs) == 1 else "trainings stand"
    counted = ", ".join(f"{n} of {folder}" for folder, n in sorted(cells.items()))
    return [
        f"{len(pairs):,} {stand} in the ledger more than once, with different numbers; of each the latest "
        f"record counts, as a whole: {counted}. "
        f"The first: {cell.folder}, seed {training.seed}, block {training.block}, by {made}."
    ]


def status(plan: Plan, results: Path) -> list[str]:
    """A table of cells, then the rate, the time left and the jobs that did not finish."""
    found = list(standings(plan, results / "ledger"))
    seen = signs(results / "running")
    columns = ("trainings", "done", "diverged", "running", "failed", "missing")
    rows: list[tuple[str, ...]] = [("cell", *columns)]
    totals: Counter[str] = Counter()
    for standing in found:
        counts = _counts(standing, seen)
        totals.update(counts)
        rows.append((standing.cell.folder, *(f"{counts[name]:,}" for name in columns)))
    if len(found) > 1:
        rows.append(("all", *(f"{totals[name]:,}" for name in columns)))
    width = max(len(row[0]) for row in rows)
    lines = [row[0].ljust(width) + "".join(number.rjust(11) for number in row[1:]) for row in rows]
    lines += ["", *repeated(found), _rate(plan, found, results / "ledger", seen)]
    asked = [sign for sign in seen if (sign.task, sign.size, sign.learner) in plan.cells and sign.state in STOPPED]
    for sign in asked:
        job = f"{sign.task}/{sign.size}/{sign.learner} seeds {ranges(sign.seeds, ', ')}, blocks {_range(sign.blocks)}"
        lines.append(f"{job} on {sign.host}: {STOPPED[sign.state]}" + (f": {sign.message}" if sign.message else ""))
    return lines


def _counts(standing: Standing, seen: Iterable[Sign]) -> Counter[str]:
    """How many of a cell's trainings are in which state; one of an unfinished job that is not done is that job's."""
    counts = Counter({"trainings": standing.total, "done": len(standing.done)})
    counts["diverged"] = sum(result.status == "diverged" for _, _, result in standing.done)
    signs_here = [sign for sign in seen if _is_of(sign, standing.cell)]
    for training in standing.missing:
        states = {
            sign.state
            for sign in signs_here
            if training.seed in sign.seeds and sign.blocks[0] <= training.block <= sign.blocks[1]
        }
        counts["running" if "running" in states else "failed" if "failed" in states else "missing"] += 1
    return counts


def _rate(plan: Plan, found: list[Standing], ledger: Path, seen: list[Sign]) -> str:
    """What runs, the trainings of the last hour, and the time left if all take as long as these, beside expectation."""
    parts = {part.key: part.share for sign in seen for part in sign.parts}
    left, shares = 0.0, []
    for each in found:
        for training in each.missing:
            share = parts.get(training.key)
            shares += [] if share is None else [share]
            expected = plan.costs.training_seconds(each.cell, training.block, bool(training.decodes))
            left += (1 - (share or 0.0)) * expected
    if not any(each.missing for each in found):
        return "Everything is trained."
    n_running = sum(sign.state == "running" for sign in seen)
    jobs = f"{n_running} job{'s' if n_running != 1 else ''} running"
    if shares:
        jobs += f", {len(shares):,} of their trainings under way, {fmean(shares):.0%} done"
    n, factor = _lately(plan, found, ledger)
    rate = f"{n:,} trainings in the last hour; at their rate" if n else "none finished in the last hour; as expected"
    where = "" if n_running else " on one core"
    return f"{jobs}; {rate} {time_left(left * factor / max(n_running, 1))} left{where}."


def _lately(plan: Plan, found: list[Standing], ledger: Path) -> tuple[int, float]:
    """How many trainings finished in the last hour, and how their seconds compare with those expected; 1 of none."""
    now = time.time()
    n, spent, expected = 0, 0.0, 0.0
    cells = {(s.cell.task, s.cell.size, s.cell.learner): s.cell for s in found}
    for shelf in ledger.glob("*/*/"):
        if now - max((path.stat().st_mtime for path in shelf.glob("*.jsonl")), default=0) > RECENTLY:
            continue
        for record in read_records(shelf):
            cell = cells.get((record.note["task"], record.note["size"], record.note["learner"]))
            of_this_code = cell is not None and shelf.parent.name in same_numbers(plan.engine_hash_of(cell))
            if cell is not None and of_this_code and now - record.time < RECENTLY and was_trained(record):
                n += 1
                spent += record.result.seconds
                expected += plan.costs.trained_seconds(cell, record.note["block"], record.result.updates)
                expected += plan.costs.decoding_seconds(cell) if record.result.outputs else 0.0
    return n, spent / expected if expected else 1.0


def _is_of(sign: Sign, cell: CellPlan) -> bool:
    return (sign.task, sign.size, sign.learner) == (cell.task, cell.size, cell.learner)


def _range(pair: tuple[int, int]) -> str:
    return f"{pair[0]}-{pair[1]}" if pair[0] != pair[1] else str(pair[0])


@dataclass(frozen=True)
class MeasuredPart:
    """A configuration of what has been measured, and in words what it lacks, for each cell of an experiment."""

    content: dict[str, Any]
    missing: list[str]


def measured_part(content: dict[str, Any], plan: Plan, ledger: Path) -> MeasuredPart:
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
    return MeasuredPart({**content, "experiments": experiments}, missing)


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
            wanted = required(self._cells[cell.folder], requests, blocks, ledger)
            if any(ledger.find(training) is None for chain in wanted for training in chain):
                return False
        return True
