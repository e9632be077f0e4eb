"""What the Snakefile's rules are given: hashes of what their results hang on, arguments, and the jobs' environment.

Snakemake makes a result anew when its own params have changed, or when an input has been made anew. That is not enough:
it deletes what a failed job was to write, and does not ask for a missing input of what is there already. With these
hashes a result knows by itself that what it was made of has changed, whichever job in between has failed.

Arguments may be many: a command line holds some 100 kB, a configuration has no limit. What stands in the environment is
no param: where a training is done, and what is kept of it, makes nothing stale.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from indoubt.data.datasets import rules_digest
from indoubt.data.task import Task
from indoubt.engines.registry import ENGINES
from indoubt.files import write_atomically
from indoubt.training import digest
from indoubt.workflow.cells import CellPlan
from indoubt.workflow.code_hash import canonical, code_hash, content_hash
from indoubt.workflow.config import Config
from indoubt.workflow.plan import Chunk, Plan


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
        hashes = [self.rows(cell) for cell in self._plan.cells.values()] + [self.looks(task) for task in tasks]
        hashes += [task_hash(self._plan.tasks[task]) for task in tasks]
        return digest([hashes, code_hash("scripts/predictions.py"), code_hash("scripts/look.py")])

    def figures(self) -> str:
        """Of the figures."""
        hashes = [self.tables(), code_hash("scripts/aggregate.py"), content_hash("indoubt/statistics/*.yaml")]
        about = json.dumps([self._plan.sweeps, self._plan.cannot_tell, self._plan.starts_and_bases()], sort_keys=True)
        return digest([hashes, about])

    def page(self, beside: Sequence[object]) -> str:
        """Of the page; `beside`: what else it is made of."""
        return digest(
            [list(beside), self.figures(), code_hash("scripts/figures.py"), code_hash("scripts/provenance.py")]
        )


def described(plan: Plan) -> dict[str, str]:
    """A line for each learner of a plan: what it is, its number of weights where it was counted, how it is trained."""
    return {name: "; ".join(_parts(plan, name)) for name in sorted(plan.learners)}


def _parts(plan: Plan, name: str) -> list[str]:
    learner = plan.learners[name]
    parts = [learner.in_words]
    tried, model = plan.tried.get(name), plan.models.get(name)
    if model is not None:
        parts.append(f"Hugging Face's {model.type}, {model.weights:,} weights")
    if tried is not None:
        parts.append(f"{tried.weights:,} weights with dictionaries of 8 symbols")
    parts.append(ENGINES[plan.engine(name)].in_words(learner.updates))
    if tried is not None and tried.alone is not None:
        parts.append(f"trained one at a time: {tried.alone}")
    return parts


#: Characters of arguments that are written out in a command; more go into a file.
MOST = 10_000


def words(arguments: Iterable[object], folder: Path) -> str:
    """Arguments as words of a shell command; where they are many, as `@file`, which argparse reads.

    Args:
        folder: where the file lies, named by its content, so that a rule's param changes when an argument does.

    Raises:
        UserError: the file cannot be written.
    """
    plain = [str(argument) for argument in arguments]
    command = shlex.join(plain)
    if len(command) <= MOST:
        return command
    text = "".join(f"{word}\n" for word in plain)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.txt"
    if not path.exists():
        write_atomically(path, text)
    return shlex.quote(f"@{path}")


def set_job_environment(scripts: Path, config: Config) -> None:
    """Set them in this process, from which Snakemake's jobs inherit them; on a cluster each job's Snakemake does it.

    `PATH` starts with the environment that Snakemake runs in, so that `python` is this one, activated or not; a conda
    environment of Snakemake's making wins over it.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.environ["DOUBT_SCRIPTS"] = str(scripts)
    os.environ["DOUBT_DEVICE"] = config.device
    os.environ["DOUBT_KEEP"] = config.keep_checkpoints
    os.environ["DOUBT_SLOTS_PER_GPU"] = str(config.slots_per_gpu)
