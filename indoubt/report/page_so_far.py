"""The page of the cells that are done while a run is at work.

Run as `python -m indoubt.report.page_so_far`, it reads the configuration, the cells' folders and the results folder as
JSON from standard input; `so_far` calls it so, since drawing takes seconds.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection
from pathlib import Path

import yaml

from indoubt.measures.rows import read_predictions, read_rows
from indoubt.report.from_rows import write_all_tables
from indoubt.report.from_tables import draw_page
from indoubt.report.so_far import FOLDER, files_of
from indoubt.workflow.plan import Plan


def write_page_so_far(plan: Plan, folders: Collection[str], results: Path) -> None:
    """Write tables, figures and page of some cells of a plan; the page says which are missing.

    Args:
        folders: of the cells that are done.
        results: the results folder; what is written lies in a folder of its own in it.
    """
    files = [files_of(cell, results) for cell in plan.cells.values() if cell.folder in folders]
    rows = read_rows([rows for rows, *_ in files])
    predicted = read_predictions([path for _, *predictions in files for path in predictions])
    write_all_tables(plan, rows, predicted, results / FOLDER / "tables")
    shown, page = yaml.safe_dump(plan.config.model_dump(), sort_keys=False), results / FOLDER / "report" / "index.html"
    draw_page(results / FOLDER, plan.tasks, page, None, shown, plan.expected())


if __name__ == "__main__":
    os.nice(10)
    job = json.load(sys.stdin)
    results = Path(job["results"])
    write_page_so_far(Plan(job["content"], results / ".cache"), job["cells"], results)
