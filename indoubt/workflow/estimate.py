"""What a configuration costs, from the rates that a ledger has measured, before anything is spent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from indoubt.data.codes import RACE
from indoubt.engines.registry import OF_PROMPTS
from indoubt.workflow.cells import CellPlan
from indoubt.workflow.ledger import Record, read_records, was_read_off
from indoubt.workflow.plan import Plan
from indoubt.workflow.start_jobs import Starts


@dataclass(frozen=True)
class Estimate:
    """A cell's trainings, the hours that all take, on what device (`CPU` or `GPU`), and where that is from.

    Of a cell whose seeds come in steps they are those of all seeds that there can be, of a race those in which all
    rules go on to the end; `fewest` and `fewest_hours` are those of the first step, and of races that one rule leads
    from the start.
    """

    cell: CellPlan
    n_trainings: int
    fewest: int
    hours: float
    fewest_hours: float
    device: str
    basis: str

    @property
    def seconds(self) -> float:
        """Of one training, in the mean."""
        return 3600 * self.hours / max(self.n_trainings, 1)


def estimates(plan: Plan, ledger: Path) -> list[Estimate]:
    """Every cell's cost: as measured for it, else as for its learner on other sizes or tasks, else as expected."""
    measured = _measured(plan, ledger)
    rows = []
    starts, counted = Starts(plan), set[str]()
    for cell in plan.cells.values():
        first = cell.until.first if cell.until is not None else max(cell.seeds)
        factor, device, basis = _of_cell(plan, cell, measured)
        parts = [(plan.chunks(cell), False), (plan.trained(cell, first), True)]
        most, fewest = (sum(plan.n_trainings(cell, chunk, least) for chunk in chunks) for chunks, least in parts)
        hours, fewest_hours = (
            factor * sum(plan.seconds(cell, chunk, least) for chunk in chunks) / 3600 for chunks, least in parts
        )
        start = starts.of(cell)
        if start is not None and start.name not in counted:  # with the first cell that goes on from it
            counted.add(start.name)
            n, seconds = starts.trainings_of_a_seed(start), starts.seconds_of_a_seed(start)
            n_first = sum(seed <= first for seed in start.seeds)
            most, fewest = most + n * len(start.seeds), fewest + n * n_first
            hours += factor * seconds * len(start.seeds) / 3600
            fewest_hours += factor * seconds * n_first / 3600
        rows.append(Estimate(cell, most, fewest, hours, fewest_hours, device, basis))
    return rows


@dataclass(frozen=True)
class Taken:
    """What a finished training took: seconds, for so many updates on blocks up to this one, and whether it decoded."""

    seconds: float
    updates: int
    block: int
    decoded: bool


#: The share of a learner's updates from which on a training says what an update takes, rather than its set-up.
ENOUGH = 0.1

#: By (device, engine, learner) and (task, size).
Measured = dict[tuple[str, str, str], dict[tuple[str, int], list[Taken]]]


def _measured(plan: Plan, ledger: Path) -> Measured:
    times: Measured = defaultdict(lambda: defaultdict(list))
    fewest = {name: ENOUGH * learner.updates for name, learner in plan.costs.learners.items()}
    for shelf in sorted(ledger.glob("*/*/")):
        for record in read_records(shelf):
            if was_trained(record):
                device = "CPU" if record.result.device == "cpu" else "GPU"
                if plan.config.device in ("auto", {"CPU": "cpu", "GPU": "cuda"}[device]):
                    learner = (device, record.result.engine, record.note["learner"])
                    result, block = record.result, record.note["block"]
                    taken = Taken(result.seconds, result.updates, block, bool(result.outputs))
                    if result.updates >= fewest.get(learner[2], 0):
                        times[learner][record.note["task"], record.note["size"]].append(taken)
    return times


def was_trained(record: Record) -> bool:
    """Whether a record tells what a training takes: not one that diverged, or was scored from kept weights."""
    result = record.result
    trained = result.updates > 0 or result.engine in OF_PROMPTS  # where nothing is updated, that is all of it
    return result.status == "ok" and trained and not was_read_off(record)


def _of_cell(plan: Plan, cell: CellPlan, measured: Measured) -> tuple[float, str, str]:
    """What to multiply expected seconds by, the kind of device, and what this rests on; a GPU's before a CPU's.

    The factor is that of all seconds measured to all expected: of this cell, else of the learner elsewhere.
    """
    engine = plan.engine(cell.learner)
    for device in ("GPU", "CPU"):
        of_learner = measured.get((device, engine, cell.learner), {})
        here = of_learner.get((cell.task, cell.size), [])
        if here:
            return _factor(plan, cell, here), device, f"{len(here)} trainings of this cell"
        factors = [
            (len(taken), _factor(plan, CellPlan(task, size, cell.learner), taken))
            for (task, size), taken in of_learner.items()
            if task in plan.tasks and size in plan.tasks[task].sizes
        ]
        if factors:
            n = sum(n for n, _ in factors)
            return fmean(factor for _, factor in factors), device, f"{n} trainings of this learner elsewhere"
    return 1.0, "CPU", "nothing measured; good within a factor of two"


def _factor(plan: Plan, cell: CellPlan, taken: list[Taken]) -> float:
    """Seconds that trainings took, over those expected for as many updates on the same blocks, decoding included."""
    costs = plan.costs
    expected = sum(costs.trained_seconds(cell, each.block, each.updates) for each in taken)
    expected += costs.decoding_seconds(cell) * sum(each.decoded for each in taken)
    return sum(each.seconds for each in taken) / expected if expected else 1.0


def hours_in_words(hours: float) -> str:
    """Hours with two digits that mean something, however few they are: `0.0031`, `0.25`, `1,234.5`."""
    if hours >= 1 or hours == 0:
        return f"{hours:,.1f}"
    return f"{hours:.2g}" if hours >= 1e-4 else "under 0.0001"


def in_lines(found: list[Estimate]) -> list[str]:
    """A table, and sums by kind of device."""
    rows: list[tuple[str, ...]] = [("cell", "trainings", "s each", "hours", "on", "measured by")]
    for each in found:
        numbers = f"{each.n_trainings:,}", f"{each.seconds:,.2f}", hours_in_words(each.hours)
        rows.append((each.cell.folder, *numbers, each.device, each.basis))
    width = max(len(row[0]) for row in rows)
    lines = [
        row[0].ljust(width) + "".join(text.rjust(12) for text in row[1:4]) + f"  {row[4]}  {row[5]}" for row in rows
    ]
    sums: dict[str, float] = defaultdict(float)
    for each in found:
        sums[each.device] += each.hours
    total = " and ".join(f"{hours_in_words(hours)} {device}-hours" for device, hours in sums.items())
    n = sum(each.n_trainings for each in found)
    guessed = sum(each.hours for each in found if each.basis.startswith("nothing"))
    lines += ["", f"{n:,} trainings: {total}."]
    steps = [each for each in found if each.cell.until is not None]
    raced = [each for each in found if each.cell.code.codes == RACE and each not in steps]
    if raced:
        most, fewest, saved = _span(raced)
        lines.append(
            f"{len(raced)} of these cells race their rules; counted are the {most:,} trainings that they take at most. "
            f"Where one rule leads from the start it is {fewest:,} and {hours_in_words(saved)} hours less, all in all "
            f"{hours_in_words(sum(sums.values()) - saved)} hours."
        )
    if steps:
        most, fewest, saved = _span(steps)
        lines.append(
            f"{len(steps)} of these cells take seeds in steps until it is sure; counted are the {most:,} trainings "
            f"that they take at most. With the fewest, {fewest:,}, it is {hours_in_words(saved)} hours less."
        )
    if guessed:
        lines.append(
            f"{hours_in_words(guessed)} of these hours rest on no measurement; run a few trainings of those learners "
            "first, with at least a tenth of their updates, and ask again."
        )
    return lines


def _span(found: list[Estimate]) -> tuple[int, int, float]:
    """The most and the fewest trainings that some cells take, and the hours between them."""
    most, fewest = sum(each.n_trainings for each in found), sum(each.fewest for each in found)
    return most, fewest, sum(each.hours - each.fewest_hours for each in found)
