"""List the tasks: what each asks, in which sizes, between which rules, and how many trainings a seed takes.

indoubt tasks
indoubt tasks --task-folder my-tasks
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from indoubt.command import named_parser, text_table
from indoubt.data.task import Task, load_tasks
from indoubt.report.question import question
from indoubt.workflow.plan import trainings_of_a_seed

HEADS = ("task", "sizes", "rules", "trainings", "question")


def parser() -> argparse.ArgumentParser:
    made = named_parser("tasks", __doc__)
    made.add_argument("--task-folder", action="append", default=[], metavar="DIR", help="a folder of tasks of your own")
    return made


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser().parse_args(words)
    tasks = load_tasks(arguments.task_folder)
    print(text_table(HEADS, [_row(tasks[name]) for name in sorted(tasks)]))
    print("\ntrainings: of one seed at each size, for both measures; FPA alone takes 1.")


def _row(task: Task) -> tuple[str, ...]:
    trainings = [str(trainings_of_a_seed(task, size)) for size in task.sizes]
    sizes = ", ".join(map(str, task.sizes))
    return task.name, sizes, ", ".join(task.candidates), ", ".join(trainings), question(task, task.sizes)
