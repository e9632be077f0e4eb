"""Write the text of datasets of a (task, size).

python scripts/generate.py --task add-or-mul --size 5 --dataset fpa mul --output results/data/add-or-mul/5
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.data.datasets import write_dataset
from indoubt.data.rules import with_random
from indoubt.data.task import find_task, load_tasks
from indoubt.errors import exit_on_user_error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", required=True)
    parser.add_argument("--size", required=True, type=int)
    parser.add_argument(
        "--dataset", required=True, nargs="+", help="`fpa`, candidates, `random`, each in a folder of its name"
    )
    parser.add_argument(
        "--output", required=True, type=Path, metavar="DIR", help="folder of the (task, size)'s datasets"
    )
    parser.add_argument("--task-folder", action="append", default=[], metavar="DIR", help="where further tasks are")
    arguments = parser.parse_args()
    task = with_random(find_task(arguments.task, load_tasks(arguments.task_folder)))
    for dataset in arguments.dataset:
        write_dataset(task, arguments.size, dataset, arguments.output / dataset)


if __name__ == "__main__":
    exit_on_user_error(main)
