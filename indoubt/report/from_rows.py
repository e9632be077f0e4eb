"""All tables of what was measured of a plan, from rows in memory and in one process."""

from __future__ import annotations

import gc
from collections.abc import Mapping
from pathlib import Path

from indoubt.found.found_rules import found_tables
from indoubt.measures.rows import Row
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
