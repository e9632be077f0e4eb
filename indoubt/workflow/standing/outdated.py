"""Results that Snakemake takes for up to date and that are not what plan and ledger say: they are to be made anew.

Snakemake goes by times and by its own notes (`.snakemake`). It knows nothing of a ledger that has lost or gained
trainings, of results that were moved or copied without its notes, or of rows that were edited.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from indoubt.workflow.planning.cells import CellPlan
from indoubt.workflow.planning.plan import Chunk, Plan
from indoubt.workflow.running.jobs import Job, rows_text
from indoubt.workflow.running.ledger import Ledger
from indoubt.workflow.standing.progress import RUN_FILE
from indoubt.workflow.standing.standing import as_measured

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
    found = [*_jobs(plan, files, results / "ledger"), *_cells(plan, files, results / "runs")]
    return sorted({"train", "collect"} if len(found) > MOST_NAMED else found)


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
        datasets = as_measured(plan, jobs[0][1]).datasets
        for file, cell, chunk in jobs:
            job = Job.from_json(json.dumps(plan.job(cell, chunk)))
            known = ledgers.setdefault(job.engine_hash, Ledger(ledger, job.engine_hash))
            path = Path(file)
            if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != rows_text(
                job, datasets, known
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
