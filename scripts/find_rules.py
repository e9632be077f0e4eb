"""What the seeds do that follow none of a task's rules: two tables of a results folder, from its predictions.

Example:
    python scripts/find_rules.py --tables results/tables \
        --predictions results/predictions/first-last-majority-parity/5/*/predictions.jsonl
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.data.task import load_tasks
from indoubt.errors import exit_on_user_error
from indoubt.found.found_rules import found_tables
from indoubt.measures.rows import read_predictions
from indoubt.tables.tables import write_tables


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, fromfile_prefix_chars="@"
    )
    parser.add_argument("--predictions", nargs="*", type=Path, default=[], help="predictions (JSON lines)")
    parser.add_argument("--tables", required=True, type=Path, help="folder to write the tables to")
    parser.add_argument("--task-folder", action="append", default=[], help="a folder of tasks of your own")
    arguments = parser.parse_args()
    rules, signatures = found_tables(read_predictions(arguments.predictions), load_tasks(arguments.task_folder))
    write_tables({"found_rules": rules, "signatures": signatures}, arguments.tables)


if __name__ == "__main__":
    exit_on_user_error(main)
