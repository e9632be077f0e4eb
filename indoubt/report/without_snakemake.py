"""Tables, figures and page of a results folder in one process, without Snakemake."""

from __future__ import annotations

import gc
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from indoubt.data.task import Task
from indoubt.figures.draw import draw_atlas, draw_figures, draw_starts
from indoubt.files import read_text, write_atomically
from indoubt.found.found_rules import found_tables
from indoubt.measures.rows import Row
from indoubt.report.page import build_page
from indoubt.report.provenance import read_provenance
from indoubt.tables.paper_table import write_paper_tables
from indoubt.tables.tables import build_tables, write_tables
from indoubt.workflow.plan import Plan


def write_all_tables(plan: Plan, rows: Mapping[str, list[Row]], predicted: list[Row], tables: Path) -> None:
    """Write the tables of what was measured of a plan, those of found rules too.

    Args:
        rows: results of trainings, by kind.
        predicted: predictions, of the same cells.
    """
    gc.freeze()  # as in scripts/aggregate.py
    learners = {row["learner"] for kind in rows.values() for row in kind}
    sweeps = {name: span for name, span in plan.sweeps.items() if learners.issuperset(span)}
    built = build_tables(
        rows["score"],
        rows["decode"],
        predicted,
        plan.tasks,
        milestones=rows,
        sweeps=sweeps,
        starts=plan.starts_and_bases(),
        cannot_tell=plan.cannot_tell,
    )
    found_rules, signatures = found_tables(predicted if plan.config.found else [], plan.tasks)
    write_tables(built | {"found_rules": found_rules, "signatures": signatures}, tables)
    write_paper_tables(built, tables)


#: What a run writes beside its tables.
MADE, CONFIG, EXPECTED = "provenance.json", "config.yaml", "expected.json"
REMEDY = "`indoubt run` makes it"


def page_from_tables(results: Path, tasks: Mapping[str, Task], output: Path) -> None:
    """Draw the figures of a results folder, and write its page; with what made the results, if that lies there.

    Raises:
        UserError: a table is missing, or something cannot be written.
    """
    tables, expected = results / "tables", None
    if (tables / EXPECTED).exists():
        expected = json.loads(read_text(tables / EXPECTED, REMEDY))
    made = read_provenance(tables / MADE) if (tables / MADE).exists() else None
    shown = read_text(tables / CONFIG, REMEDY) if (tables / CONFIG).exists() else ""
    draw_page(results, tasks, output, made, shown, expected)


def draw_page(
    results: Path,
    tasks: Mapping[str, Task],
    output: Path,
    made: Mapping[str, str] | None,
    shown: str,
    expected: list[dict[str, Any]] | None,
) -> None:
    """Draw the figures of a results folder, and write its page.

    Args:
        made: what made the results, in lines; None: what makes the page.
        shown: the configuration, as text.
        expected: what was to be run.

    Raises:
        UserError: a table is missing, or something cannot be written.
    """
    draw_figures(results / "tables", results / "figures")
    draw_atlas(results / "tables", results / "figures")
    draw_starts(results / "tables", results / "figures")
    page = build_page(results / "tables", results / "figures", tasks, made, shown, expected)
    write_atomically(output, page)
