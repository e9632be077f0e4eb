"""What `measure` is asked for, checked as the workflow checks its configuration, before anything is trained.

A learner's class that was given from Python: what a definition calls it.
"""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import nn

from indoubt.data.codes import CodeKind
from indoubt.data.seeds import parse_seeds
from indoubt.data.task import Task, check_definition, find_task, load_tasks
from indoubt.engines.modules.loader import GIVEN, GIVEN_OF_FILES
from indoubt.errors import UserError, nearest, said
from indoubt.workflow.config import Config, sentence
from indoubt.workflow.config_checks import faults_of_codes
from indoubt.workflow.named_learners import named_learners


def named(learner: type[nn.Module]) -> str:
    """What a definition calls a class: the file that it lies in, or, of one without a file, a name of its own.

    Either way it is the class as it is in memory that is trained.
    """
    file = getattr(sys.modules.get(learner.__module__), "__file__", None)
    if file is None or learner.__module__ == "__main__":
        name = f"{learner.__name__} of this session"
        GIVEN[name] = learner
        return name
    GIVEN_OF_FILES[Path(file).resolve(), learner.__name__] = learner
    return f"{file}:{learner.__name__}"


def forget_given(module: str) -> None:
    """Have a file that a definition names count as it is on disk, whatever class of it was given before."""
    path, _, _ = module.partition(":")
    for file, name in list(GIVEN_OF_FILES):
        if path.endswith(".py") and file == Path(path).resolve():
            del GIVEN_OF_FILES[file, name]


MEASURES = ("fpa", "code_length")
#: A learner's definition, as a configuration has it; its `module` may be a class.
Definition = Mapping[str, Any]


def checked_task(task: object) -> Task:
    """The task of a name or class, or one that is given, with nothing remembered of an earlier measurement of it.

    Raises:
        UserError: it is no task, or lacks something.
    """
    if isinstance(task, str):
        if task.endswith(".py"):
            raise UserError(f"task {task!r} is a file: import its class, and give that")
        return find_task(task, load_tasks())
    kind = task if isinstance(task, type) else type(task)
    if not issubclass(kind, Task):
        raise UserError(f"{task!r:.80} is no task: give a name, a subclass of indoubt.Task, or an instance of one")
    missing = [each for each in ("name", "sizes", "candidates") if not hasattr(task, each)]
    missing += sorted(getattr(kind, "__abstractmethods__", ()))
    if missing:
        raise UserError(f"task {kind.__name__} lacks {', '.join(missing)}")
    check_definition(task, f"task {kind.__name__}")  # type: ignore[arg-type]
    try:
        return task() if isinstance(task, type) else copy.copy(task)  # type: ignore[return-value]
    except Exception as error:
        raise UserError(f"task {kind.__name__} cannot be made: {said(error)}; give an instance of it") from error


def checked_measures(measures: object) -> list[str]:
    """The measures by name.

    Raises:
        UserError: it is no list of them.
    """
    if isinstance(measures, str) or not isinstance(measures, Iterable):
        raise UserError(f'measures is a list of names, such as ("fpa",) or ("fpa", "code_length"); it is {measures!r}')
    names = list(measures)
    unknown = [each for each in names if each not in MEASURES]
    if unknown or not names:
        hint = nearest(unknown[0], MEASURES) if unknown else ""
        raise UserError(f"no measure {unknown[0] if unknown else ''!r}; there are {' and '.join(MEASURES)}{hint}")
    return names


def checked_seeds(seeds: object) -> list[int]:
    """Seeds as numbers.

    Raises:
        UserError: they are no text and no list of numbers.
    """
    if not isinstance(seeds, str) and not isinstance(seeds, Iterable):
        raise UserError(
            f"seeds are a list of numbers or a range, such as range(1, 17) or '1-16'; {seeds!r} would be one number"
        )
    try:
        return parse_seeds(seeds if isinstance(seeds, str) else list(seeds))
    except ValueError as error:
        raise UserError(f"seeds: {error}") from None


def checked_ledger(ledger: object) -> Path:
    """The folder of a ledger, there and writable.

    Raises:
        UserError: it is not.
    """
    if not isinstance(ledger, str | os.PathLike):
        raise UserError(f"ledger is a folder, such as 'results/ledger'; it is {ledger!r:.80}")
    path = Path(ledger)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"ledger {str(path)!r} cannot be a folder: {error.strerror}; give another place") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(f"ledger {str(path)!r} cannot be written; mend its rights or give another place")
    return path


def check_settings(
    task: Task,
    size: int,
    definition: Definition,
    label: str,
    updates: object,
    device: object,
    measures: list[str],
    asked: dict[str, Any],
) -> CodeKind | None:
    """What else a configuration would hold, by its own schema; returns how code lengths are measured, if they are.

    Args:
        asked: `codes` and `blocks`, of which the defaults say nothing where no code length is measured.

    Raises:
        UserError: the first thing that it refuses.
    """
    experiment: dict[str, Any] = {"task": task.name, "sizes": [size], "learners": [label], "measures": measures}
    given = asked if "code_length" in measures else {}
    experiment |= {name: value for name, value in asked.items() if name in given or value not in ("full", "task")}
    content = {"updates": updates, "device": device, "learners": {label: definition}, "experiments": [experiment]}
    try:
        config = Config.model_validate(content)
    except ValidationError as error:
        raise UserError(sentence(error.errors()[0]).strip()) from None
    faults = faults_of_codes(config.experiments[0], config, task)
    if faults:
        raise UserError(faults[0])
    return config.code_of(config.experiments[0])


def definition_of(learner: object, name: str | None) -> tuple[dict[str, Any], str]:
    """A definition, and what the learner is called.

    Raises:
        UserError: it is no learner, or not known by this name.
    """
    if name is not None and not (isinstance(name, str) and name):
        raise UserError(f"name is what tables and figures call the learner, a text; it is {name!r:.80}")
    if isinstance(learner, str):
        known = named_learners()
        if learner.partition(":")[0].endswith(".py"):
            given = f'{{"module": "{learner}"}}'
            raise UserError(f"learner {learner!r} is a file: give {given}, or import its class and give that")
        if learner not in known:
            raise UserError(f"no learner {learner!r}{nearest(learner, known)}; there are {', '.join(sorted(known))}")
        return dict(known[learner]), name or learner
    if isinstance(learner, Mapping):
        definition = {_text(key): value for key, value in learner.items()}
        kind = definition.get("module", definition.get("hf", definition.get("arch", "learner")))
        if "module" in definition:
            definition["module"] = _module(kind)
        return definition, name or (kind.__name__ if isinstance(kind, type) else str(kind))
    if isinstance(learner, type | nn.Module):
        return {"module": _module(learner)}, name or str(getattr(learner, "__name__", ""))
    raise UserError(f"{learner!r:.80} is no learner: give a name, a definition or a class that derives from nn.Module")


def _text(key: object) -> str:
    if not isinstance(key, str):
        raise UserError(f"a definition's keys are texts, such as 'module' or 'width'; one is {key!r:.80}")
    return key


def _module(module: object) -> str:
    """What a definition calls a class, or a file, that is given as its `module`."""
    if isinstance(module, nn.Module):
        kind = type(module).__name__
        raise UserError(f"{kind}(...) is one model, and each seed needs weights of its own: give the class, {kind}")
    if isinstance(module, type) and issubclass(module, nn.Module):
        return named(module)
    if not isinstance(module, str):
        raise UserError(
            f"{module!r:.80} is no learner: give a class that derives from nn.Module, a built-in learner's name or the "
            "path of a file"
        )
    forget_given(module)
    return module
