"""The tables of a results folder, from the results of its trainings and its predictions.

Example:
    python scripts/aggregate.py --tables results/tables --runs results/runs/add-or-mul/20/*.jsonl \
        --predictions results/predictions/add-or-mul/20/*/predictions.jsonl
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.data.rules import with_random
from indoubt.data.task import load_tasks
from indoubt.errors import exit_on_user_error
from indoubt.measures.rows import read_predictions, read_rows
from indoubt.tables.paper_table import write_paper_tables
from indoubt.tables.tables import build_tables, write_tables


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, fromfile_prefix_chars="@"
    )
    parser.add_argument("--runs", nargs="*", type=Path, default=[], help="results of trainings (JSON lines)")
    parser.add_argument("--predictions", nargs="*", type=Path, default=[], help="predictions (JSON lines)")
    parser.add_argument("--looks", nargs="*", type=Path, default=[], help="looks at seeds in steps (TASK/NUMBER.json)")
    parser.add_argument("--sweeps", type=json.loads, metavar="JSON", help="{sweep: {learner: {argument: value}}}")
    parser.add_argument("--starts", type=json.loads, metavar="JSON", help="{learner: {start: ..., base: ...}}")
    parser.add_argument("--cannot-tell", type=json.loads, metavar="JSON", help="{learner: [what it cannot tell apart]}")
    parser.add_argument("--tables", required=True, type=Path, help="folder to write the tables to")
    parser.add_argument("--task-folder", action="append", default=[], help="a folder of tasks of your own")
    parser.add_argument("--claims", type=Path, help="a file of claims besides indoubt/statistics/claims.yaml")
    arguments = parser.parse_args()
    rows = read_rows(arguments.runs)
    predictions = read_predictions(arguments.predictions)
    gc.freeze()  # these rows stay: spare every later collection (statsmodels asks for some) from looking at them
    tasks = {name: with_random(task) for name, task in load_tasks(arguments.task_folder).items()}
    more = {"milestones": rows, "looks_at": arguments.looks, "sweeps": arguments.sweeps}
    more |= {"cannot_tell": arguments.cannot_tell, "starts": arguments.starts}
    tables = build_tables(rows["score"], rows["decode"], predictions, tasks, arguments.claims, **more)
    write_tables(tables, arguments.tables)
    write_paper_tables(tables, arguments.tables)


if __name__ == "__main__":
    exit_on_user_error(main)
