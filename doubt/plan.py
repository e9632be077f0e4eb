"""From the configuration to cells and jobs. Imported by the Snakefile: neither torch nor fairseq nor pandas here."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from doubt.code_hash import ROOT, code_hash, engine_hash
from doubt.cost import training_seconds
from doubt.config import Config, Experiment, parse_seeds, read_config
from doubt.errors import UserError
from doubt.tasks import FPA, Task
from doubt.text import dictionary_order, training_pairs
from doubt.training import Learner, is_chained

#: Grid keys of the original's JSON files that say how to measure, not what the learner is.
GRID_KEYS = {"seed", "mdl-batches-per-epoch", "mdl-batch-size", "mdl-train-examples", "mdl-block-size"}


@dataclass
class CellPlan:
    """What is measured of one learner on one (task, size): for each seed the datasets that it needs."""

    task: str
    size: int
    learner: str
    seeds: dict[int, list[str]] = field(default_factory=dict)

    @property
    def datasets(self) -> list[str]:
        """All datasets that some seed needs, sorted."""
        return sorted({dataset for datasets in self.seeds.values() for dataset in datasets})

    @property
    def folder(self) -> str:
        return f"{self.task}/{self.size}/{self.learner}"


@dataclass(frozen=True)
class Chunk:
    """The seeds and blocks of one job: first and last of each, inclusive; blocks are those trained on."""

    seeds: tuple[int, int]
    blocks: tuple[int, int]

    @property
    def path(self) -> str:
        return f"seeds-{self.seeds[0]}-{self.seeds[1]}/blocks-{self.blocks[0]}-{self.blocks[1]}.jsonl"


class Plan:
    """A checked configuration, with its learners resolved, as cells and jobs.

    Args:
        content: the configuration as YAML gives it.
        cache: folder where resolved learners are remembered, since resolving them means importing fairseq.

    Raises:
        UserError: whatever is wrong with the configuration.
    """

    def __init__(self, content: Mapping[str, Any], cache: Path) -> None:
        content, grids = expand_grids(content)
        self.config, self.tasks = read_config(content)
        self.learners = _resolve(self.config, cache)
        self.protocol = self.config.resolved_protocol()
        self.cells = _cells(self.config, self.tasks, grids)
        self._engine_hashes: dict[str | None, str] = {}

    def cell(self, task: str, size: str | int, learner: str) -> CellPlan:
        """The cell of this name, as paths name it."""
        return self.cells[task, int(size), learner]

    def task_sizes(self) -> list[tuple[Task, int, list[str]]]:
        """Every (task, size) that is measured, with the datasets needed."""
        needed: dict[tuple[str, int], set[str]] = {}
        for cell in self.cells.values():
            needed.setdefault((cell.task, cell.size), set()).update(cell.datasets)
        return [(self.tasks[task], size, sorted(datasets)) for (task, size), datasets in sorted(needed.items())]

    def chained(self, cell: CellPlan) -> bool:
        """Whether a seed's blocks must be trained in one job, one after the other."""
        return is_chained(self.learners[cell.learner], self.protocol)

    def chunks(self, cell: CellPlan) -> list[Chunk]:
        """The cell's jobs. Seeds are cut at multiples of `seeds_per_job`, so that more seeds leave old jobs as they are."""
        last = self.tasks[cell.task].n_blocks(cell.size) - 1
        width = last + 1 if self.chained(cell) else self.config.blocks_per_job
        step = self.config.seeds_per_job
        found = set()
        for seed, datasets in cell.seeds.items():
            first = (seed - 1) // step * step + 1
            trained = range(0, last + 1, width) if set(datasets) != {FPA} else [0]
            for block in trained:
                blocks = (block, min(block + width - 1, last))
                found.add(Chunk((first, first + step - 1), blocks))
        return sorted(found, key=lambda chunk: (chunk.seeds, chunk.blocks))

    def job(self, cell: CellPlan, chunk: Chunk) -> dict[str, Any]:
        """What `doubt.jobs.Job` reads, for a chunk: only what decides its result, so that it can be a rule's param."""
        learner = self.learners[cell.learner]
        task = self.tasks[cell.task]
        first, last = chunk.seeds
        seeds = {s: d if chunk.blocks[0] == 0 else [x for x in d if x != FPA] for s, d in cell.seeds.items()}
        return {
            "task": cell.task,
            "size": cell.size,
            "name": cell.learner,
            "learner": asdict(learner),
            "protocol": vars(self.protocol),
            "engine": self.config.engine,
            "engine_hash": self._engine_hash(learner.user_dir),
            "n_training": len(task.training_inputs(cell.size)),
            "block_size": task.block_size,
            "seeds": {s: d for s, d in sorted(seeds.items()) if first <= s <= last and d},
            "blocks": list(chunk.blocks),
        }

    def grouped(self, cell: CellPlan) -> list[tuple[list[str], list[str]]]:
        """The cell's jobs as products of seed ranges and block ranges, the form that scripts/collect.py reads."""
        blocks_of: dict[tuple[int, int], list[str]] = {}
        for chunk in self.chunks(cell):
            blocks_of.setdefault(chunk.seeds, []).append(f"{chunk.blocks[0]}-{chunk.blocks[1]}")
        groups: dict[tuple[str, ...], list[str]] = {}
        for seeds, blocks in blocks_of.items():
            groups.setdefault(tuple(blocks), []).append(f"{seeds[0]}-{seeds[1]}")
        return [(seeds, list(blocks)) for blocks, seeds in groups.items()]

    def n_trainings(self, cell: CellPlan, chunk: Chunk) -> int:
        """How many trainings a job has at most: fewer where candidates give the first blocks the same outputs."""
        task, blocks = self.tasks[cell.task], range(chunk.blocks[0], chunk.blocks[1] + 1)
        total = 0
        for datasets in self.job(cell, chunk)["seeds"].values():
            candidates = [dataset for dataset in datasets if dataset != FPA]
            if self.chained(cell):
                total += len(candidates) * len(blocks) + (FPA in datasets)
            else:
                total += len(candidates) * sum(block > 0 for block in blocks)
                total += len(_dictionaries(task, cell.size, tuple(datasets))) if 0 in blocks else 0
        return total

    def seconds(self, cell: CellPlan, chunk: Chunk) -> float:
        """Expected seconds of a job on one CPU core."""
        learner = self.learners[cell.learner]
        each = training_seconds(self.tasks[cell.task], cell.size, learner.arguments, learner.updates)
        return each * self.n_trainings(cell, chunk)

    def _engine_hash(self, user_dir: str | None) -> str:
        if user_dir not in self._engine_hashes:
            self._engine_hashes[user_dir] = engine_hash(self.config.engine, user_dir)
        return self._engine_hashes[user_dir]


def expand_grids(content: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Replace each learner `{grid: file.json}` by the learners that the grid spans; also returns each one's grid.

    A grid of one combination keeps its name; of several, each is called `name,key=value,...` after the keys that vary.
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
            label = ",".join([name, *(f"{key}={one[key]}" for key in varying)])
            for key, own in (("mdl-batches-per-epoch", "updates"), ("mdl-batch-size", "batch_size")):
                if key in grid:
                    one[own] = grid[key][0]
            learners[label] = one
            spans[name].append(label)
            grids[label] = grid
    experiments = content.get("experiments")
    if isinstance(experiments, list):
        experiments = [_spread(experiment, spans) for experiment in experiments]
    return {**content, "learners": learners, "experiments": experiments}, grids


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
    for key in ("mdl-batches-per-epoch", "mdl-batch-size"):
        if len(grid.get(key, [0])) != 1:
            raise UserError(f"learner {name!r}: {path} gives several values for {key}; give one per grid file")
    return grid


def _cells(
    config: Config, tasks: Mapping[str, Task], grids: Mapping[str, dict[str, Any]]
) -> dict[tuple[str, int, str], CellPlan]:
    """All cells of the experiments; what several experiments ask of one seed is put together."""
    cells: dict[tuple[str, int, str], CellPlan] = {}
    for experiment in config.experiments:
        task = tasks[experiment.task]
        for size, learner in itertools.product(experiment.sizes or task.sizes, experiment.learners):
            _check_grid(grids.get(learner, {}), learner, task, size)
            cell = cells.setdefault((task.name, size, learner), CellPlan(task.name, size, learner))
            for seed in _seeds(experiment, grids.get(learner, {})):
                known = cell.seeds.get(seed, [])
                cell.seeds[seed] = [d for d in task.datasets if d in known or d in _datasets(experiment, task)]
    for cell in cells.values():
        cell.seeds = dict(sorted(cell.seeds.items()))
    return dict(sorted(cells.items()))


def _seeds(experiment: Experiment, grid: Mapping[str, Any]) -> list[int]:
    """The experiment's seeds, or those of the grid file that the learner comes from."""
    if experiment.seeds is None and "seed" not in grid:
        raise UserError(f"the configuration is wrong:\n  experiments ({experiment.task}): the key `seeds` is missing")
    return experiment.seeds or parse_seeds(grid["seed"])


def _check_grid(grid: Mapping[str, Any], learner: str, task: Task, size: int) -> None:
    """Refuse a grid file made for another T or block size: the original would silently measure something else."""
    for key, own in (("mdl-train-examples", len(task.training_inputs(size))), ("mdl-block-size", task.block_size)):
        if grid.get(key, [own]) != [own]:
            raise UserError(
                f"the configuration is wrong:\n  learner {learner!r}: its grid file says {key} = {grid[key]}, but task "
                f"{task.name!r}, size {size}, has {own}; leave the key out of the file"
            )


def _datasets(experiment: Experiment, task: Task) -> set[str]:
    """The datasets that an experiment's measures need."""
    wanted = {FPA} if "fpa" in experiment.measures else set()
    if "code_length" in experiment.measures:
        wanted |= set(experiment.candidates or task.candidates)
    return wanted


@lru_cache(maxsize=None)
def _dictionaries(task: Task, size: int, datasets: tuple[str, ...]) -> frozenset[object]:
    """The different pairs of dictionaries that some datasets of a (task, size) have; T is trained once for each."""
    pairs = [training_pairs(task, size, dataset) for dataset in datasets]
    return frozenset(
        (dictionary_order(source for source, _ in pair), dictionary_order(target for _, target in pair)) for pair in pairs
    )


def _resolve(config: Config, cache: Path) -> dict[str, Learner]:
    """The learners that experiments use, resolved by fairseq's own parser in a process of its own, or remembered."""
    used = {name for experiment in config.experiments for name in experiment.learners}
    request = {
        "learners": {name: config.learners[name] for name in sorted(used)},
        "updates": config.updates,
        "batch_size": config.batch_size,
    }
    text = json.dumps(request, sort_keys=True)
    plugins = sorted(str(d["user_dir"]) for d in request["learners"].values() if isinstance(d, dict) and d.get("user_dir"))
    sources = [path for folder in plugins for path in sorted(Path(folder).resolve().glob("**/*.py"))]
    key = hashlib.sha256(f"{text}{code_hash('doubt/learners.py', *sources)}".encode()).hexdigest()[:24]
    known = cache / f"{key}.json"
    if not known.exists():
        command = [sys.executable, "-m", "doubt.learners"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, input=text, capture_output=True, text=True, env=environment, check=False)
        if done.returncode != 0:
            raise UserError(f"the configuration is wrong:\n  learners: {done.stderr.strip().splitlines()[-1]}")
        try:
            cache.mkdir(parents=True, exist_ok=True)
            known.write_text(done.stdout, encoding="utf-8")
        except OSError as error:
            raise UserError(f"cannot write {cache}: {error.strerror}; check rights and free space") from error
    return {name: Learner(**learner) for name, learner in json.loads(known.read_text(encoding="utf-8")).items()}
