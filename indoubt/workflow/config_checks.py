"""A configuration, read and checked: what its schema cannot say, each fault as a sentence.

Names of learners are held to what files and Snakemake can take.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from indoubt.data.check import check_task
from indoubt.data.codes import FULL, RACE
from indoubt.data.rules import RANDOM, with_random
from indoubt.data.task import Task, check_size, find_task, load_tasks
from indoubt.errors import UserError, nearest
from indoubt.workflow import identity
from indoubt.workflow.config import Config, Experiment, UntilSure, sentence
from indoubt.workflow.starts import named_tasks

CODE = re.compile(rf"{identity.NAME.pattern}|[0-9a-f]{{16}}")


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=,+-]*")
#: Characters of a name: a file's name holds 255, and gets longer while it is written.
LONGEST = 200
#: What Snakemake takes for a file name that grows without end: the same part so many times at the end of a name.
PERIODIC = re.compile(r"(.+)\1{19,}$")


def faults_of(names: Iterable[str], used: Iterable[str]) -> list[str]:
    """What is wrong with learners' names, a sentence for each.

    Args:
        names: all learners of a configuration.
        used: those that experiments measure.
    """
    faults = [fault for name in names if (fault := _fault_of(name))]
    alike: dict[str, str] = {}
    for name in sorted(used):
        other = alike.setdefault(name.lower(), name)
        if other != name:
            faults.append(
                f"{other!r} and {name!r} differ in case alone, and some file systems take them for one; rename one"
            )
    return faults


def _fault_of(name: str) -> str:
    if not NAME.fullmatch(name):
        return f"name {name!r} may hold letters, digits and . _ = , + -, and starts with a letter or digit"
    short = f"{name[:40]}..."
    if len(name) > LONGEST:
        return (
            f"name {short!r} has {len(name)} characters, more than {LONGEST}: files are named after it; shorten it, "
            "or, if a sweep made it, vary fewer arguments or take shorter values"
        )
    repeated = PERIODIC.search(name)
    if repeated:
        return (
            f"name {short!r} ends with {repeated[1]!r} 20 times or more, which Snakemake takes for a name without end; "
            "rename it, or, if a sweep made it of many equal layers, write them as '[(512, 3)] * 24'"
        )
    if name.endswith(".jsonl"):
        return f"name {name!r} ends with .jsonl, as files of results do; rename it"
    return ""


def read_config(content: Mapping[str, Any]) -> tuple[Config, dict[str, Task]]:
    """Check a configuration as YAML gives it; returns it with all tasks that it can speak of.

    Raises:
        UserError: every fault, each with the key, the value, what is allowed and the nearest match; or the first fault
            of a task that is measured.
    """
    try:
        config = Config.model_validate(dict(content))
    except ValidationError as error:
        raise UserError("the configuration is wrong:\n" + "\n".join(sentence(e) for e in error.errors())) from None
    of_starts = named_tasks(config.learners)
    tasks = load_tasks([config.task_folder] if config.task_folder else [])
    for name in ({e.task for e in config.experiments if RANDOM in (e.candidates or [])} | of_starts) & set(tasks):
        tasks[name] = with_random(tasks[name])
    faults = []
    if config.learner_folder is not None and not Path(config.learner_folder).is_dir():
        faults.append(f"  learner_folder: folder {config.learner_folder!r} does not exist; create it")
    used = {name for experiment in config.experiments for name in experiment.learners}
    faults += [f"  learners: {fault}" for fault in faults_of(config.learners, used)]
    for name, code in config.measured_by.items():
        if name not in config.learners:
            faults.append(f"  measured_by: no learner {name!r}{nearest(name, config.learners)}")
        if not CODE.fullmatch(code):
            faults.append(f"  measured_by: {name}: {code!r} is not a folder of the ledger, such as fused-1")
    for place, experiment in enumerate(config.experiments):
        for fault in _faults(experiment, config, tasks):
            faults.append(f"  experiments[{place}]: {fault}")
    if faults:
        raise UserError("the configuration is wrong:\n" + "\n".join(faults))
    for experiment in config.experiments:
        for size in experiment.sizes or tasks[experiment.task].sizes:
            check_task(tasks[experiment.task], size)
    return config, tasks


def _faults(experiment: Experiment, config: Config, tasks: Mapping[str, Task]) -> list[str]:
    """What an experiment names that does not exist."""
    faults = []
    try:
        task = find_task(experiment.task, tasks)
    except UserError as error:
        return [f"task: {error}"]
    for size in experiment.sizes or []:
        try:
            check_size(task, size)
        except UserError as error:
            faults.append(f"sizes: {error}")
    for name in experiment.learners:
        if name not in config.learners:
            known = ", ".join(sorted(config.learners))
            faults.append(f"learners: no learner {name!r}; there are {known}{nearest(name, config.learners)}")
    if isinstance(experiment.seeds, UntilSure):
        candidates = [name for name in experiment.candidates or task.candidates if name != RANDOM]
        if len(candidates) < 2:
            faults.append(
                f"seeds: `until: sure` asks which of several candidates is preferred, and there is {len(candidates)} "
                f"({', '.join(candidates)}); name more candidates, or give a number of seeds"
            )
    for name in experiment.candidates or []:
        if name not in task.candidates:
            known = ", ".join(task.candidates)
            faults.append(
                f"candidates: task {task.name!r} has no candidate {name!r}; it has {known}"
                + nearest(name, task.candidates)
            )
    return [*faults, *faults_of_codes(experiment, config, task)]


def faults_of_codes(experiment: Experiment, config: Config, task: Task) -> list[str]:
    """What cannot be measured of code lengths in the way that is asked for."""
    kind, key = config.code_of(experiment), experiment.codes or experiment.blocks
    if kind is None:
        return [f"{key}: no code length is measured here; add code_length to `measures`"] if key else []
    faults = []
    if experiment.milestones and kind.codes != FULL and "code_length" in experiment.milestone_measures:
        faults.append(
            f"codes: code lengths at milestones are of all blocks, and `codes: {kind.codes}` does not train on all; "
            "take `codes: full`, or milestone_measures: [fpa]"
        )
    if kind.codes != RACE:
        return faults
    rules = [name for name in experiment.candidates or task.candidates if name != RANDOM]
    if len(rules) < 2:
        faults.append(f"codes: a race is between rules, and there is one ({', '.join(rules)}); take `codes: full`")
    if config.blocks_per_job is not None:
        faults.append(
            "codes: in a race each training hangs on those before, so that its jobs cannot be cut by blocks; leave out "
            "blocks_per_job, or take `codes: full`"
        )
    return faults
