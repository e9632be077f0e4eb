"""A found rule as Python for its task's file, and whether the task may have it.

Example:
    indoubt found first-last-majority-parity/5/hf-llama --results results --name ends_vote
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from indoubt.command import named_parser
from indoubt.data.seeds import ranges
from indoubt.data.task import find_task, load_tasks
from indoubt.errors import UserError, nearest
from indoubt.found.functions import adoption
from indoubt.measures.rows import Row
from indoubt.tables.tables import read_table


def parser() -> argparse.ArgumentParser:
    made = named_parser("found", __doc__)
    made.add_argument("cell", metavar="TASK/SIZE/LEARNER", help="whose rule, as found_rules.csv has it")
    made.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    made.add_argument("--part", type=int, default=1, metavar="N", help="which rule of a split or mixture; default: 1")
    made.add_argument("--name", metavar="NAME", help="what the rule is to be called; default: found_N")
    made.add_argument("--task-folder", action="append", default=[], help="a folder of tasks of your own")
    return made


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser().parse_args(words)
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
