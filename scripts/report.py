"""The report of a results folder: one page that opens from disk without a network.

Example:
    python scripts/report.py --tables results/tables --figures results/figures --output results/report/index.html
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.data.task import load_tasks
from indoubt.errors import UserError, exit_on_user_error
from indoubt.files import write_atomically
from indoubt.report.page import build_page
from indoubt.report.provenance import read_provenance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, type=Path, help="folder of the tables")
    parser.add_argument("--figures", required=True, type=Path, help="folder of the figures")
    parser.add_argument("--output", required=True, type=Path, help="where to write the page")
    parser.add_argument("--task-folder", action="append", default=[], help="a folder of tasks of your own")
    parser.add_argument("--provenance", type=Path, help="JSON object that says what made the results")
    parser.add_argument("--config", type=Path, help="the resolved configuration, shown as it is")
    parser.add_argument(
        "--expected", type=Path, help="JSON list of {task, size, learner, seeds, datasets}: what was to be run"
    )
    arguments = parser.parse_args()
    page = build_page(
        arguments.tables,
        arguments.figures,
        load_tasks(arguments.task_folder),
        read_provenance(arguments.provenance) if arguments.provenance else None,
        _read(arguments.config) if arguments.config else "",
        json.loads(_read(arguments.expected)) if arguments.expected else None,
    )
    write_atomically(arguments.output, page)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


if __name__ == "__main__":
    exit_on_user_error(main)
