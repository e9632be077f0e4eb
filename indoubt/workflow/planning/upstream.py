"""What the results of each rule hang on, through all the rules before it, as hashes that are params of the rules.

Snakemake makes a result anew when its own params have changed, or when an input has been made anew. That is not enough:
it deletes what a failed job was to write, and does not ask for a missing input of what is there already. With these
hashes a result knows by itself that what it was made of has changed, whichever job in between has failed.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Sequence
from functools import cache

from indoubt.data.datasets import rules_digest
from indoubt.data.task import Task
from indoubt.training import digest
from indoubt.workflow.planning.cells import CellPlan
from indoubt.workflow.planning.code_hash import canonical, code_hash, content_hash
from indoubt.workflow.planning.plan import Chunk, Plan


@cache
def task_hash(task: Task) -> str:
    """Hash of a task's code, of files beside it that it imports or names, and of what its rules say at each size."""
    contents = [(path, path.read_bytes()) for path in {*task.files, *task.imported}]
    code = [canonical(ast.parse(content)) for path, content in contents if path.suffix == ".py"]
    data = [hashlib.sha256(content).hexdigest() for path, content in contents if path.suffix != ".py"]
    return digest([sorted(code), sorted(data), [rules_digest(task, size) for size in task.sizes]])[:16]


class Upstream:
    """For each rule the hash of what the rules before it are to do; for each cell, where a rule works cell by cell."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._rows: dict[str, str] = {}

    def rows(self, cell: CellPlan) -> str:
        """Of a cell's rows: what all of its jobs are to do, as one job, of all seeds that there can be."""
        if cell.folder not in self._rows:
            last = self._plan.tasks[cell.task].n_blocks(cell.size) - 1
            job = self._plan.job(cell, Chunk(tuple(cell.seeds), (0, last)))
            self._rows[cell.folder] = digest([job, code_hash("scripts/trainings.py")])
        return self._rows[cell.folder]

    def looks(self, task: str) -> str:
        """Of the looks at a task's cells whose seeds come in steps."""
        return digest([self.rows(cell) for cell in self._plan.stepwise(task)])

    def tables(self) -> str:
        """Of the tables."""
        tasks = sorted({cell.task for cell in self._plan.cells.values()})
        made = [self.rows(cell) for cell in self._plan.cells.values()] + [self.looks(task) for task in tasks]
        made += [task_hash(self._plan.tasks[task]) for task in tasks]
        return digest([made, code_hash("scripts/predictions.py"), code_hash("scripts/look.py")])

    def figures(self) -> str:
        """Of the figures."""
        made = [self.tables(), code_hash("scripts/aggregate.py"), content_hash("indoubt/statistics/*.yaml")]
        return digest([made, json.dumps(self._plan.sweeps, sort_keys=True)])

    def page(self, beside: Sequence[object]) -> str:
        """Of the page; `beside`: what else it is made of."""
        return digest(
            [list(beside), self.figures(), code_hash("scripts/figures.py"), code_hash("scripts/provenance.py")]
        )
