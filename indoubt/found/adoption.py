"""From a row of `found_rules` to a further rule of a task: its text, and whether the task may have it."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import cast

from indoubt.data.check import check_task
from indoubt.data.task import Task
from indoubt.errors import UserError
from indoubt.found.building import grammar_of, searched
from indoubt.found.emitted import function_source, run
from indoubt.measures.rows import Row

#: The longest line of a docstring, without the quotes that end it.
WIDTH = 117


@dataclass(frozen=True)
class Adoption:
    """The function as text, the task's class attributes that name it, and why the task refuses it, if it does."""

    source: str
    attributes: str
    refused: str


def adoption(task: Task, row: Row, name: str, seeds: str) -> Adoption:
    """A found rule as a further rule of its task.

    Args:
        task: the task, as its file defines it.
        row: of the table `found_rules`.
        name: what the rule is to be called.
        seeds: those of the cell that it was found in, as `found_on` has them.

    Raises:
        UserError: the row has no rule, or one that only a name tells.
    """
    where = f"{row['task']}/{row['size']}/{row['learner']}"
    if not row["python"]:
        raise UserError(
            f"{where}, part {row['part']}: form {row['form']!r} has no rule to adopt"
            + (f" ({row['note']})" if row["note"] else f" ({row['words']}, {row['kind']})")
        )
    size = int(row["size"])
    training = dict(task.training_set(size))
    share = f"{100 * row['share']:.0f} % of the answers of seeds it was not found on"
    said = f"{row['words'][0].upper()}{row['words'][1:]}. Found in what {row['learner']} does: {share}."
    doc = "\n".join(textwrap.wrap(said, WIDTH, initial_indent=" " * 7, subsequent_indent=" " * 4)).lstrip()
    source = function_source(row["python"], name, size, training, grammar_of(training, searched(task, size)), doc)
    rules = ", ".join(f'"{known}": {rule.__name__}' for known, rule in task.further_rules.items())
    found = ", ".join(f'"{known}": "{on}"' for known, on in task.found_on.items())
    attributes = (
        f'    further_rules = {{{rules}{", " if rules else ""}"{name}": {name}}}\n'
        f'    found_on = {{{found}{", " if found else ""}"{name}": "{seeds}"}}\n'
    )
    return Adoption(source, attributes, _refused(task, size, name, source, seeds))


def _refused(task: Task, size: int, name: str, source: str, seeds: str) -> str:
    """Why a copy of a task that has the rule cannot be measured; empty if it can."""
    kind = type(task)
    changed = {
        "further_rules": {**task.further_rules, name: run(source, name)},
        "found_on": {**task.found_on, name: seeds},
        "__module__": kind.__module__,
    }
    try:
        check_task(cast(Task, type(kind.__name__, (kind,), changed)()), size)
    except UserError as error:
        return str(error)
    return ""
