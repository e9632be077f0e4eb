"""What a configuration costs, from the rates that a ledger has measured, before anything is spent."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from doubt.workflow.planning.cells import CellPlan
from doubt.workflow.planning.plan import Plan
from doubt.workflow.running.ledger import Record, read_records

#: Seconds; a record of less was scored from kept weights, not trained.
SHORTEST = 0.005


@dataclass(frozen=True)
class Estimate:
    """A cell's trainings, the seconds that each takes, on what device (`CPU` or `GPU`), and where that is from.

    Of a cell whose seeds come in steps, `n_trainings` are those of all seeds that there can be, `fewest` those of the
    first step.
    """

    cell: CellPlan
    n_trainings: int
    fewest: int
    seconds: float
    device: str
    basis: str

    @property
    def hours(self) -> float:
        return self.n_trainings * self.seconds / 3600


def estimates(plan: Plan, ledger: Path) -> list[Estimate]:
    """Every cell's cost: as measured for it, else as for its learner on other sizes or tasks, else as expected."""
    measured = _measured(plan, ledger)
    found = []
    for cell in plan.cells.values():
        first = cell.until.first if cell.until is not None else max(cell.seeds)
        most, fewest = (
            sum(plan.n_trainings(cell, chunk) for chunk in chunks)
            for chunks in (plan.chunks(cell), plan.trained(cell, first))
        )
        found.append(Estimate(cell, most, fewest, *_of_cell(plan, cell, measured)))
    return found


#: Seconds per update of finished trainings, by (device, engine, learner) and (task, size).
Measured = dict[tuple[str, str, str], dict[tuple[str, int], list[float]]]


def _measured(plan: Plan, ledger: Path) -> Measured:
    found: Measured = defaultdict(lambda: defaultdict(list))
    for shelf in sorted(ledger.glob("*/*/")):
        for record in read_records(shelf):
            if _counts(record):
                device = "CPU" if record.result.device == "cpu" else "GPU"
                if plan.config.device in ("auto", {"CPU": "cpu", "GPU": "cuda"}[device]):
                    learner = (device, record.result.engine, record.note["learner"])
                    found[learner][record.note["task"], record.note["size"]].append(
                        record.result.seconds / record.result.updates
                    )
    return found


def _counts(record: Record) -> bool:
    result = record.result
    return result.status == "ok" and result.updates > 0 and result.seconds > SHORTEST


def _of_cell(plan: Plan, cell: CellPlan, measured: Measured) -> tuple[float, str, str]:
    """Seconds per training, the kind of device, and what this rests on; a GPU's measurements before a CPU's."""
    engine, updates = plan.engine(cell.learner), plan.learners[cell.learner].updates
    expected = plan.training_seconds(cell)
    for device in ("GPU", "CPU"):
        of_learner = measured.get((device, engine, cell.learner), {})
        rates = of_learner.get((cell.task, cell.size))
        if rates:
            return updates * sum(rates) / len(rates), device, f"{len(rates)} trainings of this cell"
        ratios = [
            rate * updates / plan.training_seconds(CellPlan(task, size, cell.learner))
            for (task, size), rates in of_learner.items()
            if task in plan.tasks and size in plan.tasks[task].sizes
            for rate in rates
        ]
        if ratios:
            basis = f"{len(ratios)} trainings of this learner elsewhere"
            return expected * sum(ratios) / len(ratios), device, basis
    return expected, "CPU", "nothing measured; good within a factor of two"


def in_lines(found: list[Estimate]) -> list[str]:
    """A table, and sums by kind of device."""
    rows: list[tuple[str, ...]] = [("cell", "trainings", "s each", "hours", "on", "measured by")]
    for each in found:
        numbers = f"{each.n_trainings:,}", f"{each.seconds:,.2f}", f"{each.hours:,.2f}"
        rows.append((each.cell.folder, *numbers, each.device, each.basis))
    width = max(len(row[0]) for row in rows)
    lines = [
        row[0].ljust(width) + "".join(text.rjust(12) for text in row[1:4]) + f"  {row[4]}  {row[5]}" for row in rows
    ]
    sums: dict[str, float] = defaultdict(float)
    for each in found:
        sums[each.device] += each.hours
    total = " and ".join(f"{hours:,.1f} {device}-hours" for device, hours in sums.items())
    n = sum(each.n_trainings for each in found)
    guessed = sum(each.hours for each in found if each.basis.startswith("nothing"))
    lines += ["", f"{n:,} trainings: {total}."]
    steps = [each for each in found if each.cell.until is not None]
    if steps:
        most, fewest = (sum(getattr(each, name) for each in steps) for name in ("n_trainings", "fewest"))
        saved = sum((each.n_trainings - each.fewest) * each.seconds / 3600 for each in steps)
        lines.append(
            f"{len(steps)} of these cells take seeds in steps until it is sure; counted are the {most:,} trainings "
            f"that they take at most. With the fewest, {fewest:,}, it is {saved:,.1f} hours less."
        )
    if guessed:
        lines.append(
            f"{guessed:,.1f} of these hours rest on no measurement; run a few trainings of those learners first "
            "(`updates` may be small), and ask again."
        )
    return lines
