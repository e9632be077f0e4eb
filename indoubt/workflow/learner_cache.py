"""Learners of the configuration, resolved in a process of its own and remembered: it means importing torch and more."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from indoubt.data.starts import Start
from indoubt.data.task import Task
from indoubt.data.vocabulary import distinct_vocabularies, training_pairs
from indoubt.errors import UserError, how_it_ended
from indoubt.files import ROOT, python_path, write_atomically
from indoubt.learner import Learner, LookedAt, TriedOut, learner_of_json, type_of
from indoubt.workflow.code_hash import code_hash, learner_code
from indoubt.workflow.config import Config
from indoubt.workflow.starts import without_start

#: The folder of the built-in learners.
BUILT_IN = ROOT / "learners"


@dataclass(frozen=True)
class ResolvedLearner:
    """A learner; why it has no fused form under the configuration's protocol (None: it has one); of one of engine
    `modules` what trying it out has shown; of a user's own module the hashes of all that it computes with; what its
    architecture cannot tell apart (`data.indistinguishable`); and of a language model that is read in context what
    looking at it has shown (None: its folder is not there).
    """

    learner: Learner
    not_fused: str | None
    tried: TriedOut | None = None
    own: str | None = None
    cannot_tell: tuple[str, ...] = ()
    looked_at: LookedAt | None = None


def resolved_learners(
    config: Config, tasks: Mapping[str, Task], starts: Mapping[str, Start], cache: Path
) -> dict[str, ResolvedLearner]:
    """The learners that experiments use, resolved or remembered.

    Args:
        cache: folder of what is remembered, by content: definitions and the code that resolves them.

    Raises:
        UserError: a definition is wrong, or the cache cannot be written.
    """
    used = {name for experiment in config.experiments for name in experiment.learners}
    own = {name for name in used if _is_own(name, config)}
    others, owns = _request(used - own, config, tasks, starts), _request(own, config, tasks, starts)
    answers: dict[str, Any] = {}
    if others["learners"]:
        text = json.dumps(others, sort_keys=True)
        code = [code_hash("indoubt/learners/resolution.py"), *_code_of_users(others)]
        known = cache / f"{hashlib.sha256(chr(10).join([text, *code]).encode()).hexdigest()[:24]}.json"
        if not known.exists():
            write_atomically(known, _answer("indoubt.learners.resolution", text))
        answers |= json.loads(known.read_text(encoding="utf-8"))
    if own:  # what such a learner computes with is only seen once it is built
        answers |= json.loads(_answer("indoubt.workflow.own_learners", json.dumps(owns), str(cache)))
    return {name: _read(one) for name, one in answers.items()}


def _request(names: set[str], config: Config, tasks: Mapping[str, Task], starts: Mapping[str, Start]) -> dict[str, Any]:
    """What is asked of the process that resolves definitions.

    Learners that differ in their starts alone are asked for as one: by the longest that any of them meets.
    """
    longest: dict[str, tuple[int, int]] = {}
    contents = {name: json.dumps(without_start(config.learners[name]), sort_keys=True) for name in sorted(names)}
    for name, content in contents.items():
        source, target = _longest_of(name, config, tasks, starts)
        known = longest.get(content, (0, 0))
        longest[content] = max(source, known[0]), max(target, known[1])
    return {
        "learners": {name: without_start(config.learners[name]) for name in sorted(names)},
        "updates": config.updates,
        "batch_size": config.batch_size,
        "protocol": vars(config.resolved_protocol()),
        "learner_folder": config.learner_folder,
        "models": config.models,
        "longest": {name: longest[content] for name, content in contents.items()},
        "cells": {name: _cells_of(name, config, tasks, starts) for name in sorted(names)},
    }


def _answer(module: str, request: str, *arguments: str) -> str:
    """What the process says that resolves definitions.

    Raises:
        UserError: a definition is wrong.
    """
    environment = {**os.environ, "PYTHONPATH": python_path(), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, input=request, capture_output=True, encoding="utf-8", errors="replace", env=environment, check=False
    )
    lines = done.stderr.strip().splitlines()
    if done.returncode < 0 or (done.returncode > 0 and not lines):
        raise UserError(f"the learners could not be looked at: {how_it_ended(done.returncode)}")
    if done.returncode > 0:
        raise UserError(f"the configuration is wrong:\n  learners: {lines[-1]}")
    return done.stdout


def _read(one: Mapping[str, Any]) -> ResolvedLearner:
    tried = TriedOut(**one["tried"]) if "tried" in one else None
    looked_at = LookedAt(**one["looked_at"]) if "looked_at" in one else None
    return ResolvedLearner(
        learner_of_json(one["learner"]), one["not_fused"], tried, one.get("own"), tuple(one["cannot_tell"]), looked_at
    )


def _is_own(learner: str, config: Config) -> bool:
    """Whether a learner is a module of a user's own, and no built-in one."""
    places = _places(str(config.learners[learner].get("module", "")), config.learner_folder)
    return bool(places) and not places[0].resolve().is_relative_to(BUILT_IN)


def _places(module: str, learner_folder: str | None) -> list[Path]:
    """Where the file of a definition's `module` lies: in the user's folder before the built-in ones, if anywhere."""
    named = module.partition(":")[0]
    folders = [learner_folder, BUILT_IN] if named else []
    places = [Path(named)] if named.endswith(".py") else [Path(each) / f"{named}.py" for each in folders if each]
    return [path for path in places if path.is_file()]


def _code_of_users(request: Mapping[str, Any]) -> list[str]:
    """What else the answer hangs on: plug-ins, files of learners, and the stamps of pretrained weights."""
    parts = []
    for definition in request["learners"].values():
        if isinstance(definition.get("user_dir"), str):
            parts.append(code_hash(*sorted(Path(definition["user_dir"]).resolve().glob("**/*.py"))))
        kind = type_of(definition)
        parts += [importlib.metadata.version(package) for package in kind.packages]
        places = _places(str(definition.get("module", "")), None)
        parts += [part for path in places for part in learner_code(path.resolve())]
        for folder in (definition[key] for key in kind.folders if key in definition):
            files = sorted(path for path in Path(str(folder)).glob("*") if path.exists())
            parts += [f"{path.name} {path.stat().st_mtime_ns} {path.stat().st_size}" for path in files]
    return parts


def _longest_of(
    learner: str, config: Config, tasks: Mapping[str, Task], starts: Mapping[str, Start]
) -> tuple[int, int]:
    """Symbols of the longest source and target that a module meets, `</s>` included; of fairseq's learners 0, 0."""
    if type_of(config.learners[learner]).needs != "lengths":
        return 0, 0
    cells = _measured_on(learner, config, tasks)
    if learner in starts:
        cells += [(tasks[stage.task], stage.size) for stage in starts[learner].stages]
    lengths = [_longest(task, size) for task, size in cells]
    return max(source for source, _ in lengths), max(target for _, target in lengths)


def _cells_of(
    learner: str, config: Config, tasks: Mapping[str, Task], starts: Mapping[str, Start]
) -> list[dict[str, Any]]:
    """The dictionaries that a learner of fairseq's will have, one example of each kind: so many symbols on each side,
    the same on both or not. Of a language model, which needs a token for each symbol, all of them.
    """
    needs = type_of(config.learners[learner]).needs
    if needs == "lengths":
        return []
    kinds: dict[object, dict[str, Any]] = {}
    for task, size in _measured_on(learner, config, tasks):
        pairs = distinct_vocabularies(task, size, tuple(task.datasets))
        if learner in starts:
            joint = (starts[learner].joint(tasks, task, size, dataset) for dataset in task.datasets)
            pairs = tuple(dict.fromkeys(joint))
        for source, target in pairs:
            names = source.own, target.own
            kind = names if needs == "symbols" else (len(source.own), len(target.own), source.own == target.own)
            kinds.setdefault(kind, {"cell": f"{task.name}/{size}", "source": source.own, "target": target.own})
    return list(kinds.values())


def _measured_on(learner: str, config: Config, tasks: Mapping[str, Task]) -> list[tuple[Task, int]]:
    """What experiments measure a learner on."""
    return [
        (tasks[experiment.task], size)
        for experiment in config.experiments
        if learner in experiment.learners
        for size in experiment.sizes or tasks[experiment.task].sizes
    ]


@cache
def _longest(task: Task, size: int) -> tuple[int, int]:
    pairs = [pair for dataset in task.datasets for pair in training_pairs(task, size, dataset)]
    sources = [*(source for source, _ in pairs), *task.test_inputs(size)]
    return max(map(len, sources)) + 1, max(len(target) for _, target in pairs) + 1
