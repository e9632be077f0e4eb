"""Which cells changed between two results, by how much, and whether that is beyond the noise of seeds.

A refactoring leaves every cell equal; a change of results shows as cells beyond seed noise. Ends with status 0, with
--strict with status 2 if a cell is beyond seed noise; cells of too few seeds to tell do not count.

Example:
    indoubt compare results /elsewhere/results
    indoubt compare old-results.tar.gz results --csv changes.csv --strict
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from indoubt.command import named_parser
from indoubt.files import write_atomically
from indoubt.report.archived_tables import tables_of
from indoubt.report.comparison import BEYOND, EQUAL_STATE, FEW, compare_results
from indoubt.schema.wording import number, p_text, span


def parser() -> argparse.ArgumentParser:
    made = named_parser("compare", __doc__)
    made.add_argument("a", type=Path, help="a results folder, or a tar or zip archive of one")
    made.add_argument("b", type=Path, help="the other one")
    made.add_argument("--csv", type=Path, help="write the whole comparison to this file")
    made.add_argument("--all", action="store_true", help="show equal cells too")
    made.add_argument(
        "--strict", action="store_true", help="end with status 2 if anything is beyond seed noise, else 0"
    )
    return made


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser().parse_args(words)
    with tables_of(arguments.a) as a, tables_of(arguments.b) as b:
        changes, remarks = compare_results(a, b)
    if arguments.csv:
        write_atomically(arguments.csv, changes.to_csv(index=False))
    console = Console(width=None if sys.stdout.isatty() else 140)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for head in ("cell", "measure", "seeds (common, equal)", "change, B less A", "p (Holm)", "state"):
        table.add_column(head)
    shown = changes if arguments.all else changes[changes["state"] != EQUAL_STATE]
    for row in shown.to_dict("records"):
        cell = f"{row['task']}/{row['size']}/{row['learner']}" + (f"/{row['candidate']}" if row["candidate"] else "")
        seeds = f"{row['n_a']} and {row['n_b']} ({row['n_common']}, {row['n_equal']})"
        table.add_row(escape(cell), row["measure"], seeds, _change(row), _p(row["p_holm"]), _state(row))
    if len(shown):
        console.print(table)
    counts = changes["state"].value_counts().to_dict()
    console.print("; ".join(f"{n} {state}" for state, n in counts.items()) or "both are empty", highlight=False)
    for remark in remarks:
        console.print(f"note: {remark}", highlight=False, markup=False)
    if arguments.strict and counts.get(BEYOND):
        sys.exit(2)


def _state(row: dict[Any, Any]) -> str:
    """The state, and how many seeds it would take."""
    if row["state"] != FEW:
        return str(row["state"])
    common = int(row["n_common"]) or f"{row['n_a']} and {row['n_b']}"
    return f"{FEW} ({common}; {row['seeds_needed']:.0f}{'' if row['n_common'] else ' each'} needed)"


def _change(row: dict[Any, Any]) -> str:
    value, low, high = (float(row[key]) for key in ("change", "ci_low", "ci_high"))
    if row["measure"] == "rule classes":
        return "–" if value != value else f"{value:.0%} of common seeds"
    return f"{number(value)} {span(low, high, number)}".rstrip()


def _p(value: float) -> str:
    return "–" if value != value else p_text(value)
