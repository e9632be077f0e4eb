"""Where a run stands, in words and numbers for people."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from doubt.data.seeds import ranges
from doubt.workflow.planning.cells import CellPlan
from doubt.workflow.planning.code_hash import same_numbers
from doubt.workflow.planning.plan import Plan
from doubt.workflow.running.heartbeat import Sign, signs
from doubt.workflow.running.ledger import read_records
from doubt.workflow.standing.progress import in_words
from doubt.workflow.standing.standing import Reasons, Standing, standings

#: The measured rate is that of the trainings finished in so many seconds.
RECENTLY = 3600.0
STOPPED = {
    "failed": "failed",
    "stopped": "told to end; run again to go on",
    "dead": "no sign of life any more, killed perhaps; run again to go on",
}


def why(plan: Plan, results: Path) -> list[str]:
    """What a run would train, and why, cell by cell."""
    nothing = plan.nothing_done(results)
    if nothing is not None:
        return [nothing]
    found = list(standings(plan, results / "ledger"))
    total, missing = sum(each.total for each in found), sum(len(each.missing) for each in found)
    if not missing:
        return [f"No training to do: all {total:,} are in the ledger."]
    reasons = Reasons(results / "ledger", results / "checkpoints")
    lines = []
    for standing in found:
        counts = reasons.of(plan, standing)
        lines += [
            f"  {standing.cell.folder}: {n:,} of {standing.total:,}: {reason}" for reason, n in sorted(counts.items())
        ]
    return [f"{missing:,} of {total:,} trainings to do, {total - missing:,} are in the ledger. Why:", *lines]


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
    lines += ["", _rate(plan, found, results / "ledger", seen)]
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
    """The rate of the last hour, and the time left if it goes on like that: in expected cost, not in trainings."""
    now = time.time()
    times: list[float] = []
    spent = 0.0
    cells = {(s.cell.task, s.cell.size, s.cell.learner): s for s in found}
    for shelf in ledger.glob("*/*/"):
        if now - max((path.stat().st_mtime for path in shelf.glob("*.jsonl")), default=0) > RECENTLY:
            continue
        for record in read_records(shelf):
            cell = cells.get((record.note["task"], record.note["size"], record.note["learner"]))
            of_this_code = cell is not None and shelf.parent.name in same_numbers(plan.engine_hash_of(cell.cell))
            if cell is not None and of_this_code and now - record.time < RECENTLY:
                times.append(record.time - record.result.seconds)
                spent += plan.training_seconds(cell.cell, record.note["block"])
    left = sum(plan.training_seconds(each.cell, training.block) for each in found for training in each.missing)
    n_missing = sum(len(standing.missing) for standing in found)
    n_running = sum(sign.state == "running" for sign in seen)
    if not n_missing:
        return "Everything is trained."
    jobs = f"{n_running} job{'s' if n_running != 1 else ''} running"
    if not times:
        return f"{jobs}; no training finished in the last hour, so the time left cannot be told."
    elapsed = max(now - min(times), 1.0)
    rate = f"{len(times):,} trainings in the last {in_words(elapsed)}"
    return f"{jobs}; {rate}; at this rate {in_words(left / spent * elapsed)} left."


def _is_of(sign: Sign, cell: CellPlan) -> bool:
    return (sign.task, sign.size, sign.learner) == (cell.task, cell.size, cell.learner)


def _range(pair: tuple[int, int]) -> str:
    return f"{pair[0]}-{pair[1]}" if pair[0] != pair[1] else str(pair[0])
