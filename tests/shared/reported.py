"""Tables and figures of some rows, as a run leaves them, for tests of the report."""

from __future__ import annotations

from pathlib import Path

from indoubt.figures.draw import draw_atlas, draw_figures
from indoubt.measures.classify import predictions
from indoubt.tables.tables import build_tables, write_tables
from tests.shared.made_up import Row
from tests.shared.tasks import released_tasks

TASKS = released_tasks()


def write_results(folder: Path, scores: list[Row], decodes: list[Row]) -> Path:
    """Tables and figures of some rows."""
    lines = []
    for task, size, learner in dict.fromkeys((r["task"], r["size"], r["learner"]) for r in decodes):
        cell = [r for r in decodes if (r["task"], r["size"], r["learner"]) == (task, size, learner)]
        lines += predictions(TASKS[task], size, cell)
    write_tables(build_tables(scores, decodes, lines, TASKS), folder / "tables")
    draw_figures(folder / "tables", folder / "figures")
    draw_atlas(folder / "tables", folder / "figures")
    return folder
