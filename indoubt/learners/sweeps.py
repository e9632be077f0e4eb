"""Learners that stand for several: a definition with `sweep`, or a grid file of the released code, in JSON."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indoubt.data.starts import label_of
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


#: Learners that one sweep may span, unless the configuration says otherwise.
AT_MOST = 200
#: Arguments that move together, each with its values; groups are crossed with each other.
Group = Mapping[str, Sequence[Any]]


@dataclass(frozen=True)
class Expanded:
    """A configuration in which every learner is one: `content`; what came from grid files and what from sweeps.

    `grids` holds, by learner, the grid file that it comes from; `sweeps`, by the name in the configuration, the
    learners that it stands for, each with the values of its varying arguments.
    """

    content: dict[str, Any]
    grids: dict[str, dict[str, Any]]
    sweeps: dict[str, dict[str, dict[str, Any]]]


def expand_learners(content: Mapping[str, Any]) -> Expanded:
    """Replace each learner that stands for several by those that it stands for.

    One that stands for a single learner keeps its name; of several, each is called `name,argument=value,...` after what
    varies. An experiment that names the whole measures all of them.

    Raises:
        UserError: a grid file or a sweep that is none, or one that spans too many learners.
    """
    if not isinstance(content.get("learners") or {}, dict):
        return Expanded(dict(content), {}, {})  # reading the configuration says what is wrong
    learners: dict[str, Any] = {}
    grids: dict[str, dict[str, Any]] = {}
    sweeps: dict[str, dict[str, dict[str, Any]]] = {}
    given = content.get("learners_at_most")
    most = given if type(given) is int else AT_MOST  # what else it is, reading the configuration says
    for name, definition in (content.get("learners") or {}).items():
        if isinstance(definition, dict) and set(definition) == {"grid"}:
            grid = read_grid(name, definition["grid"])
            base, spanned = from_grid(grid)
            groups: Sequence[Group] = spanned
        elif isinstance(definition, dict) and "sweep" in definition:
            grid, groups = {}, _groups(name, definition["sweep"])
            replaced = {"sweep", *(_plain(argument) for group in groups for argument in group)}
            base = {key: value for key, value in definition.items() if _plain(key) not in replaced}
        else:
            learners[name] = definition
            continue
        sweeps[name] = _span(name, groups, learners, most)
        for label, values in sweeps[name].items():
            learners[label] = base | values
            if "start" in values:
                sweeps[name][label] = values | {"start": label_of(values["start"])}
            if grid:
                grids[label] = grid
    experiments = content.get("experiments")
    if isinstance(experiments, list):
        experiments = [_spread(experiment, sweeps) for experiment in experiments]
    return Expanded({**content, "learners": learners, "experiments": experiments}, grids, sweeps)


def _plain(argument: str) -> str:
    """An argument's name, however it is spelt."""
    return str(argument).replace("-", "_")


def _groups(name: str, sweep: Any) -> list[Group]:
    """A sweep as groups of arguments that move together: of a mapping, each argument is a group of its own."""
    form = "a mapping of arguments to lists of values, or a list of such mappings whose arguments move together"
    if isinstance(sweep, dict):
        sweep = [{argument: values} for argument, values in sweep.items()]
    if not isinstance(sweep, list) or not sweep or not all(isinstance(group, dict) and group for group in sweep):
        raise UserError(f"the configuration is wrong:\n  learner {name!r}: sweep must be {form}")
    for argument, values in [pair for group in sweep for pair in group.items()]:
        if not isinstance(values, list) or len(values) < 2:
            given = values[0] if isinstance(values, list) and values else values
            raise UserError(
                f"the configuration is wrong:\n  learner {name!r}: sweep: {argument} has one value, {given!r}; a sweep "
                f"takes a list of two or more: write {argument}: {given} beside `sweep` instead"
            )
    for group in sweep:
        numbers = {argument: len(values) for argument, values in group.items()}
        if len(set(numbers.values())) > 1:
            said = ", ".join(f"{argument} has {number}" for argument, number in numbers.items())
            raise UserError(
                f"the configuration is wrong:\n  learner {name!r}: sweep: arguments that move together need as many "
                f"values each ({said}); to cross them, put each into a group of its own"
            )
    twice = [a for a, b in itertools.combinations([argument for group in sweep for argument in group], 2) if a == b]
    if twice:
        raise UserError(f"the configuration is wrong:\n  learner {name!r}: sweep names {twice[0]} twice")
    return sweep


def _span(name: str, groups: Sequence[Group], taken: Mapping[str, Any], most: int) -> dict[str, dict[str, Any]]:
    """The learners that groups of values span, by their names, each with the values that vary."""
    number = math.prod(len(next(iter(group.values()))) for group in groups)
    if number > most:
        raise UserError(
            f"the configuration is wrong:\n  learner {name!r} stands for {number} learners, more than "
            f"learners_at_most allows ({most}); sweep fewer values, or write learners_at_most: {number}"
        )
    spanned: dict[str, dict[str, Any]] = {}
    for places in itertools.product(*(range(len(next(iter(group.values())))) for group in groups)):
        values = {k: v[place] for group, place in zip(groups, places, strict=True) for k, v in group.items()}
        parts = [
            f"{argument}={_in_a_name(argument, values[argument])}" for group in groups for argument in _telling(group)
        ]
        spanned[_unused(",".join([name, *parts]), {**taken, **spanned})] = values
    return spanned


def _telling(group: Group) -> list[str]:
    """The arguments of a group that a name needs: the first, if its values differ, else all."""
    first, *_ = group
    return [first] if len(set(map(str, group[first]))) == len(group[first]) else list(group)


def _in_a_name(argument: str, value: Any) -> str:
    return in_a_name(label_of(value) if argument == "start" else value)


def in_a_name(value: Any) -> str:
    """A value as a learner's name may hold it: `[(32, 3), (64, 3)]` is `32x3+64x3`."""
    text = re.sub(r"\s", "", str(value)).replace("),(", "+")
    text = re.sub(r"[\[\](){}'\"]", "", text).replace(",", "x").replace("*", "x")
    return re.sub(r"[^A-Za-z0-9._=+-]", "-", text)


def _unused(label: str, learners: Mapping[str, Any]) -> str:
    """The label, or, where another value reads the same, the label with a number."""
    labels = itertools.chain([label], (f"{label}.{number}" for number in itertools.count(2)))
    return next(each for each in labels if each not in learners)


def _spread(experiment: Any, sweeps: Mapping[str, Mapping[str, Any]]) -> Any:
    """An experiment with the names of wholes replaced by those of their learners."""
    if not (isinstance(experiment, dict) and isinstance(experiment.get("learners"), list)):
        return experiment
    return {**experiment, "learners": [n for name in experiment["learners"] for n in sweeps.get(name, [name])]}
