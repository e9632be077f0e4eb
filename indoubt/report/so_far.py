"""What a run has found so far: a line for each cell that is done, and now and then the page of those cells.

Run as `python -m indoubt.report.so_far`, it reads the configuration, the cells' folders and the results folder as JSON
from standard input and writes that page; `SoFar` calls it so, since drawing takes seconds.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Collection, Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from indoubt.data.task import FPA
from indoubt.errors import UserError
from indoubt.files import ROOT
from indoubt.workflow.cells import CellPlan
from indoubt.workflow.plan import Plan

#: The folder of the results that the page so far lies in, as in a results folder.
FOLDER = "so-far"
#: Its log, below the results.
LOG = "logs/so-far.log"


class SoFar:
    """Follows a run by the files that its cells end with; knows nothing of Snakemake.

    Args:
        content: the configuration that is being run.
        plan: what it says.
        pending: the files that the run has to make.
        results: the folder in which it does.
    """

    def __init__(self, content: Mapping[str, Any], plan: Plan, pending: Container[str], results: Path) -> None:
        self._content, self._plan, self._results = content, plan, results
        self._started = time.time()
        self._open = {
            cell.folder: cell
            for cell in plan.cells.values()
            if any(str(path) in pending for path in files_of(cell, results))
        }
        self._done = [cell.folder for cell in plan.cells.values() if cell.folder not in self._open]
        #: A page is due once so many cells are done; every time twice as many, so that it takes little of a long run.
        self._due = len(self._done) + 1
        self._page: subprocess.Popen[str] | None = None
        self.page = results / FOLDER / "report" / "index.html"

    def news(self) -> Iterator[str]:
        """In a line each, the cells whose seeds have been classified since the last time, and that there is a page."""
        for cell in [each for each in self._open.values() if self._is_done(each)]:
            del self._open[cell.folder]
            self._done.append(cell.folder)
            if FPA in cell.datasets:
                yield verdict(self._plan, cell, self._results)
        if self._page is not None and self._page.poll() == 0:
            yield f"The page of what is done so far: {self.page}"
        if self._page is not None and self._page.poll() is not None:
            self._page = None
        if len(self._done) >= self._due and self._open and self._page is None:
            self._due = 2 * len(self._done)
            self._page = self._write_page()

    def end(self) -> None:
        """Write no more; where all cells are done, the page lies where it always does."""
        if self._page is not None:
            self._page.kill()
            self._page.wait()
        if all(self._is_done(cell) for cell in self._open.values()):
            shutil.rmtree(self._results / FOLDER, ignore_errors=True)

    def _is_done(self, cell: CellPlan) -> bool:
        try:
            return all(path.stat().st_mtime >= self._started for path in files_of(cell, self._results))
        except FileNotFoundError:
            return False

    def _write_page(self) -> subprocess.Popen[str]:
        """Begin to write the page of the cells that are done, in a process that makes way for the trainings."""
        job = {"content": self._content, "cells": self._done, "results": str(self._results)}
        log = self._results / LOG
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("w", encoding="utf-8") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "indoubt.report.so_far"],
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=file,
                text=True,
                encoding="utf-8",
                env=os.environ | {"PYTHONPATH": path},
            )
        assert process.stdin is not None
        with process.stdin as stdin:
            stdin.write(json.dumps(job))
        return process


def files_of(cell: CellPlan, results: Path) -> list[Path]:
    """The files that a cell ends with: its rows, and which rule each seed follows."""
    rows = results / "runs" / f"{cell.folder}.jsonl"
    predictions = results / "predictions" / cell.folder / "predictions.jsonl"
    return [rows, predictions] if FPA in cell.datasets else [rows]


def verdict(plan: Plan, cell: CellPlan, results: Path) -> str:
    """Which rule most of a cell's seeds follow, how many, and the interval of their share."""
    from indoubt.measures.fpa import fpa_table, seed_classes  # slow to import: pandas
    from indoubt.measures.rows import read_predictions
    from indoubt.report.summary import most_seeds

    try:
        predictions = read_predictions([files_of(cell, results)[1]])
        rule, share = most_seeds(fpa_table(seed_classes(predictions), plan.tasks))
    except UserError as error:  # the run itself will stumble over it and say more
        return f"{cell.folder}: {error}"
    return f"{cell.folder}: {rule}, {share}"


def write_page_so_far(plan: Plan, folders: Collection[str], results: Path) -> None:
    """Write tables, figures and page of some cells of a plan; the page says which are missing.

    Args:
        folders: of the cells that are done.
        results: the results folder; what is written lies in a folder of its own in it.
    """
    import yaml

    from indoubt.measures.rows import read_predictions, read_rows
    from indoubt.report.without_snakemake import draw_page, write_all_tables

    files = [files_of(cell, results) for cell in plan.cells.values() if cell.folder in folders]
    rows = read_rows([rows for rows, *_ in files])
    predicted = read_predictions([path for _, *predictions in files for path in predictions])
    write_all_tables(plan, rows, predicted, results / FOLDER / "tables")
    shown, page = yaml.safe_dump(plan.config.model_dump(), sort_keys=False), results / FOLDER / "report" / "index.html"
    draw_page(results / FOLDER, plan.tasks, page, None, shown, plan.expected())


if __name__ == "__main__":
    os.nice(10)
    job = json.load(sys.stdin)
    folder = Path(job["results"])
    write_page_so_far(Plan(job["content"], folder / ".cache"), job["cells"], folder)
