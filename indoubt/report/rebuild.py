"""Tables, figures and page from a ledger alone, in one process: what an archive is rebuilt with."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import torch
import yaml

from indoubt.errors import UserError
from indoubt.measures.classify import predictions
from indoubt.measures.rows import NEEDED, Row
from indoubt.report.without_snakemake import draw_page, write_all_tables
from indoubt.training import Result, Training
from indoubt.workflow.cells import CellPlan
from indoubt.workflow.job import Job, Places
from indoubt.workflow.jobs import measured
from indoubt.workflow.missing import as_measured, standings
from indoubt.workflow.plan import Chunk, Plan
from indoubt.workflow.status import repeated


def rebuild_tables(plan: Plan, results: Path) -> None:
    """Write a configuration's tables from the ledger in a results folder.

    Raises:
        UserError: a training is missing, or seeds come in steps.
    """
    stepwise = [cell.folder for cell in plan.cells.values() if cell.until is not None]
    if stepwise:
        raise UserError(f"{stepwise[0]}: seeds in steps (`until: sure`) are rebuilt by Snakemake")
    all_standings = list(standings(plan, results / "ledger"))
    print("".join(f"{line}\n" for line in repeated(all_standings)), end="", file=sys.stderr)
    for standing in all_standings:
        if standing.missing:
            n, folder = len(standing.missing), standing.cell.folder
            raise UserError(f"{n} of {standing.total} trainings of {folder} are missing in {results / 'ledger'}")
    rows: dict[str, list[Row]] = {kind: [] for kind in NEEDED}
    predicted: list[Row] = []
    for cell in plan.cells.values():
        of_cell = rows_of(plan, cell, results / "ledger")
        for row in of_cell:
            rows[row["kind"]].append(row)
        decodes = [row for row in of_cell if row["kind"] == "decode"]
        predicted += predictions(plan.tasks[cell.task], cell.size, decodes)
    write_all_tables(plan, rows, predicted, results / "tables")


def rebuild_page(content: dict[str, Any], plan: Plan, results: Path, made: dict[str, str] | None = None) -> None:
    """Draw the figures of a configuration's tables and write its page.

    Args:
        content: the configuration, to be shown on the page.
        made: what made the results.
    """
    shown, page = yaml.safe_dump(content, sort_keys=False), results / "report" / "index.html"
    draw_page(results, plan.tasks, page, made, shown, plan.expected())


def rows_of(plan: Plan, cell: CellPlan, ledger: Path) -> list[Row]:
    """The rows of all of a cell's jobs, as one job."""
    whole = Chunk(tuple(cell.seeds), (0, plan.tasks[cell.task].n_blocks(cell.size) - 1))
    job = Job.from_json(json.dumps(plan.job(cell, whole)))
    held = as_measured(plan, cell)
    return measured(job, held.datasets, Places(ledger), torch.device("cpu"), _Nobody(), held.before)


class _Nobody:
    """Is told nothing: there is nothing to train."""

    def begin(self, total: int, to_do: int) -> None: ...

    def trained(self, training: Training, result: Result) -> None: ...
