"""Starts as a configuration defines them: checked, and what each of a plan's cells goes on from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from indoubt.data.rules import RANDOM, with_random
from indoubt.data.starts import Stage, Start, listed
from indoubt.data.task import Task, check_size, find_task
from indoubt.errors import UserError, nearest

#: The keys of a definition that say what its learner has learned before.
KEYS = ("start", "rename")
#: The keys of a stage.
STAGE_KEYS = ("task", "size", "rule", "updates", "batch_size", "rename")


def without_start(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition without what its learner has learned before."""
    if "start" not in definition:
        return dict(definition)
    return {key: value for key, value in definition.items() if key not in KEYS}


def named_tasks(learners: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """The tasks whose random labels some start learns."""
    stages = [stage for definition in learners.values() for stage in listed(definition.get("start"))]
    return {str(each.get("task")) for each in stages if isinstance(each, Mapping) and each.get("rule") == RANDOM}


def start_of(
    name: str, definition: Mapping[str, Any], tasks: Mapping[str, Task], updates: int, carried: bool, released: bool
) -> Start | None:
    """The start of a learner's definition; None: it has none, or one of no updates, which teaches nothing.

    Args:
        updates: of its trainings, where the definition gives none.
        carried, released: whether the protocol carries Adam from block to block, and has the released random streams.

    Raises:
        UserError: what is wrong, in a sentence.
    """
    if definition.get("start") is None:
        return None
    try:
        if "in_context" in definition:
            raise UserError("a language model that is read in context is not trained, so it has none; leave it out")
        if carried or released:
            setting = "adam_state 'carried'" if carried else "rng_streams 'released'"
            raise UserError(
                f"a start's Adam and schedule begin anew and it has random streams of its own, so {setting} (and "
                "protocol 'released') cannot be had with it; measure it in a run of its own"
            )
        given = listed(definition["start"])
        stages = [_stage(stage, tasks, _given(definition, "updates") or updates) for stage in given]
        if not stages:
            raise UserError("it is empty; give a task, its size and a rule, or leave `start` out")
        rename = [definition.get("rename", False), *(stage.get("rename", False) for stage in given)]
        if not all(isinstance(each, bool) for each in rename):
            raise UserError(f"rename is true or false, not {next(e for e in rename if not isinstance(e, bool))!r}")
    except UserError as error:
        raise UserError(f"the configuration is wrong:\n  learner {name!r}: start: {error}") from None
    learned = tuple(stage for stage in stages if stage.updates > 0)
    return Start(learned, any(rename)) if learned else None


def _given(definition: Mapping[str, Any], key: str) -> Any:
    return next((value for name, value in definition.items() if str(name).replace("-", "_") == key), None)


def _stage(stage: Any, tasks: Mapping[str, Task], updates: int) -> Stage:
    """One stage, checked."""
    if not isinstance(stage, Mapping):
        raise UserError(f"{stage!r:.80} is no mapping; write start: {{task: hierar-or-linear, size: 4, rule: linear}}")
    for key in stage:
        if key in ("start", "learner"):
            raise UserError(
                f"a start has no {key!r}, which could lead back to itself: it is a list of tasks, learned one after "
                "the other by this learner"
            )
        if key not in STAGE_KEYS:
            raise UserError(f"unknown key {key!r}{nearest(key, STAGE_KEYS)}; the keys are {', '.join(STAGE_KEYS)}")
    if "task" not in stage or "size" not in stage:
        raise UserError(f"{'size' if 'task' in stage else 'task'} is missing; give a task and its size")
    task = find_task(stage["task"], tasks)
    size, rule = check_size(task, stage["size"]), stage.get("rule")
    if rule == RANDOM:
        task = with_random(task)
    if rule is not None and rule not in task.candidates:
        known = [*task.candidates, RANDOM]
        raise UserError(
            f"task {task.name!r} has no candidate {rule!r} to be labelled by{nearest(rule, known)}; it has "
            f"{', '.join(known)}; leave `rule` out to learn T alone"
        )
    n, batch_size = stage.get("updates", updates), stage.get("batch_size")
    if type(n) is not int or n < 0:
        raise UserError(f"updates is {n!r}; it must be a whole number, 0 or above")
    if batch_size is not None and (type(batch_size) is not int or batch_size < 1):
        raise UserError(f"batch_size is {batch_size!r}; it must be a whole number, 1 or above")
    return Stage(task.name, size, rule, n, batch_size)


def learned_twice(starts: Mapping[str, Start], definitions: Mapping[str, Mapping[str, Any]]) -> Iterable[str]:
    """A sentence for each pair of learners that are one learner with one start under two names."""
    known: dict[str, str] = {}
    for name in sorted(starts):
        content = repr((sorted(without_start(definitions[name]).items(), key=repr), starts[name]))
        other = known.setdefault(content, name)
        if other != name:
            yield f"learner {name!r} is learner {other!r} under another name, with the same start; take one of them out"
