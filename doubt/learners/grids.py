"""Grid files: the original's JSON files of hyperparameters, each of which stands for one learner or several."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doubt.data.task import Task
from doubt.errors import UserError

#: Grid keys of the original's JSON files that say how to measure, not what the learner is.
GRID_KEYS = {"seed", "mdl-batches-per-epoch", "mdl-epochs", "mdl-batch-size", "mdl-train-examples", "mdl-block-size"}
#: Those whose product is the number of updates: the paper's files give the first, the critique's the second or both.
UPDATE_KEYS = ("mdl-batches-per-epoch", "mdl-epochs")


def expand_grids(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Replace each learner `{grid: file.json}` by the learners that the grid spans; also returns each one's grid.

    A grid of one combination keeps its name; of several, each is called `name,key=value,...` after the keys that vary,
    the values written so that a file can be called after them.
    An experiment that names the grid measures all of its learners.

    Raises:
        UserError: the file is missing, is no grid, or holds what belongs to the task.
    """
    learners: dict[str, Any] = {}
    spans: dict[str, list[str]] = {}
    grids: dict[str, dict[str, Any]] = {}
    for name, definition in (content.get("learners") or {}).items():
        if not (isinstance(definition, dict) and set(definition) == {"grid"}):
            learners[name] = definition
            continue
        grid = _read_grid(name, definition["grid"])
        varying = sorted(key for key, values in grid.items() if len(values) > 1 and key not in GRID_KEYS)
        spans[name] = []
        for values in itertools.product(*(grid[key] for key in sorted(set(grid) - GRID_KEYS))):
            one = dict(zip(sorted(set(grid) - GRID_KEYS), values, strict=True))
            label = _unused(",".join([name, *(f"{key}={in_a_name(one[key])}" for key in varying)]), learners)
            one |= _how(grid)
            learners[label] = one
            spans[name].append(label)
            grids[label] = grid
    experiments = content.get("experiments")
    if isinstance(experiments, list):
        experiments = [_spread(experiment, spans) for experiment in experiments]
    return {**content, "learners": learners, "experiments": experiments}, grids


def _how(grid: Mapping[str, Any]) -> dict[str, Any]:
    """Updates and batch size, as a grid file gives them."""
    own = {"batch_size": grid["mdl-batch-size"][0]} if "mdl-batch-size" in grid else {}
    factors = [grid[key][0] for key in UPDATE_KEYS if key in grid]
    return own | ({"updates": factors[0] if len(factors) == 1 else math.prod(factors)} if factors else {})


def in_a_name(value: Any) -> str:
    """A value as a learner's name may hold it: `[(32, 3), (64, 3)]` is `32x3+64x3`."""
    text = re.sub(r"\s", "", str(value)).replace("),(", "+")
    text = re.sub(r"[\[\](){}'\"]", "", text).replace(",", "x").replace("*", "x")
    return re.sub(r"[^A-Za-z0-9._=+-]", "-", text)


def _unused(label: str, learners: Mapping[str, Any]) -> str:
    """The label, or, where another value reads the same, the label with a number."""
    labels = itertools.chain([label], (f"{label}.{number}" for number in itertools.count(2)))
    return next(each for each in labels if each not in learners)


def _spread(experiment: Any, spans: Mapping[str, list[str]]) -> Any:
    """An experiment with the names of grids replaced by those of their learners."""
    if not (isinstance(experiment, dict) and isinstance(experiment.get("learners"), list)):
        return experiment
    return {**experiment, "learners": [n for name in experiment["learners"] for n in spans.get(name, [name])]}


def _read_grid(name: str, path: str) -> dict[str, list[Any]]:
    """A grid file in the original's form: each key a list of values, or a bare boolean for a flag."""
    try:
        grid = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"learner {name!r}: the grid file {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"learner {name!r}: the grid file {path} is no JSON: {error}") from None
    if not isinstance(grid, dict):
        raise UserError(f"learner {name!r}: the grid file {path} must hold one object, each key a list of values")
    grid = {key: value if isinstance(value, list) else [value] for key, value in grid.items()}
    for key in (*UPDATE_KEYS, "mdl-batch-size"):
        if len(grid.get(key, [0])) != 1:
            raise UserError(f"learner {name!r}: {path} gives several values for {key}; give one per grid file")
    for key in UPDATE_KEYS:
        value = grid.get(key, [1])[0]
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise UserError(
                f"learner {name!r}: {path} gives {key} = {value!r}; it must be a whole number of at least 1"
            )
    if {"mdl-epochs", "mdl-batch-size"} <= set(grid):
        raise UserError(
            f"learner {name!r}: {path} gives mdl-epochs and mdl-batch-size, by which the critique's code draws fixed "
            "chunks of T's file; here examples are drawn one by one: leave both out, and write updates and batch_size "
            "into a definition of the learner's own"
        )
    return grid


def check_grid(grid: Mapping[str, Any], learner: str, task: Task, size: int) -> None:
    """Refuse a grid file made for another T or block size: the original would silently measure something else."""
    for key, own in (
        ("mdl-train-examples", len(task.training_inputs(size))),
        ("mdl-block-size", task.block_size_at(size)),
    ):
        if grid.get(key, [own]) != [own]:
            raise UserError(
                f"the configuration is wrong:\n  learner {learner!r}: its grid file says {key} = {grid[key]}, but task "
                f"{task.name!r}, size {size}, has {own}; leave the key out of the file"
            )
