"""Predictions and rule classes of one cell, from what its seeds decoded.

Example:
    python scripts/predictions.py --task add-or-mul --size 20 --runs results/runs/add-or-mul/20/cnn.jsonl \
        --output results/predictions/add-or-mul/20/cnn/predictions.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.data.task import check_size, find_task, load_tasks
from indoubt.errors import UserError, exit_on_user_error
from indoubt.files import write_atomically
from indoubt.measures.classify import predictions
from indoubt.measures.rows import read_runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", required=True, help="name of the task")
    parser.add_argument("--size", required=True, type=int, help="size of the task")
    parser.add_argument("--runs", required=True, type=Path, help="the cell's results of trainings (JSON lines)")
    parser.add_argument("--output", required=True, type=Path, help="where to write the predictions (JSON lines)")
    parser.add_argument("--task-folder", action="append", default=[], help="a folder of tasks of your own")
    arguments = parser.parse_args()
    task = find_task(arguments.task, load_tasks(arguments.task_folder))
    size = check_size(task, arguments.size)
    _, decodes = read_runs([arguments.runs])
    for row in decodes:
        if (row["task"], row["size"]) != (task.name, size):
            raise UserError(f"{arguments.runs} is about {row['task']}/{row['size']}, not about {task.name}/{size}")
    lines = predictions(task, size, decodes)
    write_atomically(arguments.output, "".join(f"{json.dumps(line)}\n" for line in lines))


if __name__ == "__main__":
    exit_on_user_error(main)
