"""A found rule as Python for its task's file, and whether the task may have it.

Example:
    python scripts/found.py first-last-majority-parity/5/hf-llama --results results --name ends_vote
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.data.seeds import ranges
from indoubt.data.task import find_task, load_tasks
from indoubt.errors import UserError, exit_on_user_error, nearest
from indoubt.found.functions import adoption
from indoubt.measures.rows import Row
from indoubt.tables.tables import read_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cell", metavar="TASK/SIZE/LEARNER", help="whose rule, as found_rules.csv has it")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--part", type=int, default=1, metavar="N", help="which rule of a split or mixture; default: 1")
    parser.add_argument("--name", metavar="NAME", help="what the rule is to be called; default: found_N")
    parser.add_argument("--task-folder", action="append", default=[], help="a folder of tasks of your own")
    arguments = parser.parse_args()
    name = arguments.name or f"found_{arguments.part}"
    if not name.isidentifier() or not name.islower():
        raise UserError(f"--name {name}: a rule's name is one of a Python function in lower case, such as ends_vote")
    row = _row(arguments.results / "tables", arguments.cell, arguments.part)
    task = find_task(row["task"], load_tasks(arguments.task_folder))
    adopted = adoption(task, row, name, _seeds(arguments.results / "tables", row))
    print(f"# For {task.path.name}:\n\n{adopted.source}\n\n# In its class:\n\n{adopted.attributes}")
    if adopted.refused:
        raise UserError(f"with this rule the task would be refused: {adopted.refused}")
    print("# The task's checks pass with it. Confirm it on seeds that it was not found on before you quote its share.")


def _row(tables: Path, cell: str, part: int) -> Row:
    """The row of a cell's part."""
    found = read_table(tables, "found_rules")
    named = found.assign(cell=[f"{r['task']}/{r['size']}/{r['learner']}" for r in found.to_dict("records")])
    of_cell = named[named["cell"] == cell]
    if of_cell.empty:
        known = sorted(set(named["cell"]))
        raise UserError(f"{tables / 'found_rules.csv'} has no cell {cell!r}{nearest(cell, known)}")
    rows = of_cell[of_cell["part"] == part].to_dict("records")
    if not rows:
        raise UserError(f"{cell} has {len(of_cell)} part{'s' if len(of_cell) > 1 else ''}, no part {part}")
    return {str(key): value for key, value in rows[0].items()}


def _seeds(tables: Path, row: Row) -> str:
    """The seeds of the cell."""
    seeds = read_table(tables, "seed_classes")
    of_cell = seeds[
        (seeds["task"] == row["task"]) & (seeds["size"] == row["size"]) & (seeds["learner"] == row["learner"])
    ]
    return ranges(int(seed) for seed in of_cell["seed"])


if __name__ == "__main__":
    exit_on_user_error(main)
