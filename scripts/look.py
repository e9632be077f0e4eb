"""Look at the seeds of a task's cells that were trained so far: is it sure which rule is preferred, or are more needed?

python scripts/look.py --task add-or-mul --output results/looks/add-or-mul/1.json --cells '{"5/cnn": {"seeds": 12,
    "most": 100, "rules": ["add", "mul", "mem"], "measure": "fpa", "rows": ["results/runs/add-or-mul/5/..."]}}'
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.data.task import find_task, load_tasks
from indoubt.errors import exit_on_user_error
from indoubt.files import write_atomically
from indoubt.measures.rows import read_runs
from indoubt.statistics.stopping import decide, followers, shorter
from indoubt.workflow.cells import looks_text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, fromfile_prefix_chars="@"
    )
    parser.add_argument("--task", required=True, help="name of the task")
    parser.add_argument("--cells", required=True, type=json.loads, metavar="JSON", help="its cells, by size/learner")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="what was seen, by cell (JSON)")
    parser.add_argument("--task-folder", action="append", default=[], help="a folder of tasks of your own")
    arguments = parser.parse_args()
    task = find_task(arguments.task, load_tasks(arguments.task_folder))
    counts, seeds = {}, {}
    for name, cell in arguments.cells.items():
        scores, decodes = read_runs(map(Path, cell["rows"]))
        if cell["measure"] == "code_length":
            counts[name] = shorter(task, cell["rules"], scores)
        else:
            counts[name] = followers(task, int(name.split("/")[0]), cell["rules"], decodes)
        seeds[name] = (cell["seeds"], cell["most"], cell["measure"])
    write_atomically(arguments.output, looks_text(decide(counts, seeds)))


if __name__ == "__main__":
    exit_on_user_error(main)
