"""Grid files: the original's JSON files of hyperparameters, each of which stands for one learner or several."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from indoubt.data.task import Task
from indoubt.errors import UserError

#: Grid keys of the original's JSON files that say how to measure, not what the learner is.
GRID_KEYS = {"seed", "mdl-batches-per-epoch", "mdl-epochs", "mdl-batch-size", "mdl-train-examples", "mdl-block-size"}
#: Those whose product is the number of updates: the paper's files give the first, the critique's the second or both.
UPDATE_KEYS = ("mdl-batches-per-epoch", "mdl-epochs")

#: Keys by which sweep files of other tools (Weights & Biases, Optuna, Hydra) are known.
OTHER_TOOLS = {
    "parameters",
    "method",
    "metric",
    "program",
    "hydra",
    "defaults",
    "hyperparameters",
    "trials",
    "search_space",
}


def from_grid(grid: Mapping[str, list[Any]]) -> tuple[dict[str, Any], list[dict[str, list[Any]]]]:
    """What a grid file's learners have in common, and the arguments that vary, each as a group of its own."""
    hyperparameters = {key: grid[key] for key in sorted(set(grid) - GRID_KEYS)}
    common = {key: values[0] for key, values in hyperparameters.items() if len(values) == 1}
    return common | _how(grid), [{key: values} for key, values in hyperparameters.items() if len(values) > 1]


def _how(grid: Mapping[str, Any]) -> dict[str, Any]:
    """Updates and batch size, as a grid file gives them."""
    own = {"batch_size": grid["mdl-batch-size"][0]} if "mdl-batch-size" in grid else {}
    factors = [grid[key][0] for key in UPDATE_KEYS if key in grid]
    return own | ({"updates": factors[0] if len(factors) == 1 else math.prod(factors)} if factors else {})


def read_grid(name: str, path: Any) -> dict[str, list[Any]]:
    """A grid file in the original's form: each key a list of values, or a bare boolean for a flag.

    Raises:
        UserError: the file is missing, is no grid, or says what cannot be done as it says.
    """
    if not isinstance(path, str):
        raise UserError(f"learner {name!r}: grid must be the path of a file, it is {path!r}")
    try:
        grid = json.loads(
            Path(path).read_text(encoding="utf-8"), object_pairs_hook=lambda pairs: _once(pairs, name, path)
        )
    except OSError as error:
        raise UserError(f"learner {name!r}: the grid file {path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
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
    if "arch" not in grid:
        others = " (it looks like another tool's)" if grid.keys() & OTHER_TOOLS else ""
        raise UserError(
            f"learner {name!r}: {path} names no `arch`, so it is no grid file of the released code{others}; write the "
            "learner into the configuration instead: its architecture, and the arguments to be varied under `sweep`"
        )
    return grid


def _once(pairs: Sequence[tuple[str, Any]], name: str, path: str) -> dict[str, Any]:
    """An object of a grid file, without the dashes in front of a key: one of the released files has some."""
    found: dict[str, Any] = {}
    for given, value in pairs:
        key = given.lstrip("-")
        if key in found:
            raise UserError(f"learner {name!r}: {path} gives {key} twice; the first would be lost: leave one out")
        found[key] = value
    return found


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
