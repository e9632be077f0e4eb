"""Show what was found in a results folder, and make its figures and page anew from its tables.

    indoubt report
    indoubt report --results elsewhere/results --output page.html

Nothing is trained, and Snakemake is not needed. `indoubt run report` brings the tables up to date first.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from indoubt.command import named_parser
from indoubt.errors import UserError
from indoubt.workflow.config_files import add_results_option


def parser() -> argparse.ArgumentParser:
    made = named_parser("report", __doc__)
    add_results_option(made)
    made.add_argument("--output", type=Path, metavar="FILE", help="default: report/index.html in the results")
    made.add_argument("--task-folder", action="append", default=[], metavar="DIR", help="a folder of tasks of your own")
    return made


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser().parse_args(words)
    results, output = arguments.results, arguments.output or arguments.results / "report" / "index.html"
    if not (results / "tables/fpa.csv").exists():
        raise UserError(f"there are no tables in {results / 'tables'}: `indoubt run` makes them, or give --results")

    # now: they import pandas and matplotlib
    from indoubt.data.task import load_tasks
    from indoubt.report.summary import print_summary
    from indoubt.report.without_snakemake import page_from_tables

    page_from_tables(results, load_tasks(arguments.task_folder), output)
    print_summary(results / "tables")
    if arguments.output:
        print(f"page     {output}")
