"""`measure`: a task and a learner, many seeds, FPA and code length; the workflow's own code in this process."""

from __future__ import annotations

import os

# Before MKL's first product: so engine `modules` gives here, to the last bit, what it gives in the workflow.
os.environ.setdefault("MKL_CBWR", "AUTO")

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from torch import nn
from tqdm.auto import tqdm

from doubt.data.content import dataset_digest
from doubt.data.distinguish import check_distinguishable
from doubt.data.in_memory import dataset_in_memory
from doubt.data.random_candidate import rules
from doubt.data.seeds import parse_seeds
from doubt.data.task import FPA, Task, check_size, find_task, load_tasks
from doubt.engines.devices import choose_device
from doubt.errors import UserError, nearest
from doubt.files import ROOT
from doubt.measures.classify import predictions
from doubt.notebook.classes import named
from doubt.notebook.measurement import Measurement
from doubt.tables.tables import build_tables
from doubt.training import Learner, Protocol, Result, Training
from doubt.workflow.planning.identity import identity, with_own_code
from doubt.workflow.planning.own_resolution import resolve_as_it_is
from doubt.workflow.running.jobs import Job, Places, measured

#: Where learners that have a name are defined.
DEFINED = ("presets/atlas.yaml", "config.yaml", "presets/learners.yaml")
MEASURES = ("fpa", "code_length")
Definition = Mapping[str, Any]


def measure(
    task: str | Task | type[Task],
    learner: str | Definition | type[nn.Module],
    seeds: Iterable[int] | str = range(1, 17),
    measures: Sequence[str] = MEASURES,
    *,
    size: int | None = None,
    updates: int = 3000,
    name: str | None = None,
    device: str = "auto",
    ledger: str | Path | None = None,
    progress: bool = True,
) -> Measurement:
    """Train a learner on an ambiguous task, many seeds at once, and see which rule it follows.

    Args:
        task: a task's name, or a task of your own: a subclass of `doubt.Task`, or an instance of one.
        learner: a learner's name (`transformer`, `mamba`, ...), a definition as a configuration has it, or a class of
            your own: an `nn.Module` whose forward takes (source, source_mask, previous) or (tokens). In a definition
            such a class may stand as its `module`.
        seeds: random initialisations, each of which is a learner: numbers, or text such as `1-32`.
        measures: `fpa` (what do seeds output?), `code_length` (how well does each rule compress?), or both.
        size: of the task; its first one by default.
        updates: of a training, unless the definition says so.
        name: what tables and figures call the learner.
        device: `auto` (a GPU if there is one), `cpu` or `cuda`.
        ledger: a folder where trainings are kept, so that none is done twice; the workflow's `results/ledger` will do.
        progress: whether to show a bar.

    Raises:
        UserError: whatever is wrong with the task or the learner, in one sentence, before anything is trained.
    """
    chosen = _task(task)
    size = check_size(chosen, chosen.sizes[0] if size is None else size)
    check_distinguishable(chosen, size)
    chosen.training_set(size)  # refuses a task whose candidates disagree on T
    unknown = [each for each in measures if each not in MEASURES]
    if unknown or not measures:
        raise UserError(f"no measure {unknown[0] if unknown else ''!r}; there are {' and '.join(MEASURES)}")
    wanted = ([FPA] if "fpa" in measures else []) + (list(rules(chosen)) if "code_length" in measures else [])
    datasets = {each: dataset_in_memory(chosen, size, each) for each in wanted}
    definition, label = _definition(learner, name)
    resolved = _resolved(definition, label, updates, datasets)
    job = _job(chosen, size, label, resolved, dict.fromkeys(_seeds(seeds), wanted))
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder) if ledger is None else Path(ledger))
        rows = measured(job, datasets, places, choose_device(device), _Bar(f"{chosen.name} {size}, {label}", progress))
    scores = [row for row in rows if row["kind"] == "score"]
    decodes = [row for row in rows if row["kind"] == "decode"]
    tables = build_tables(scores, decodes, predictions(chosen, size, decodes), {chosen.name: chosen})
    return Measurement(chosen.name, size, label, job.engine, resolved.get("tried"), tables)


class _Bar:
    """A bar in a notebook or a terminal."""

    def __init__(self, label: str, shown: bool) -> None:
        self._label, self._shown = label, shown
        self._bar: Any = None

    def begin(self, total: int, to_do: int) -> None:
        known = f" ({total - to_do} of {total} known)" if to_do < total else ""
        if self._shown and to_do:
            self._bar = tqdm(total=to_do, desc=f"{self._label}{known}", unit="training")

    def trained(self, training: Training, result: Result) -> None:
        if self._bar is not None:
            self._bar.update()
            if self._bar.n == self._bar.total:
                self._bar.close()


def _task(task: str | Task | type[Task]) -> Task:
    if isinstance(task, str):
        return find_task(task, load_tasks())
    if isinstance(task, type):
        missing = [each for each in ("name", "sizes", "candidates") if not hasattr(task, each)]
        missing += sorted(getattr(task, "__abstractmethods__", ()))
        if missing:
            raise UserError(f"task {task.__name__} lacks {', '.join(missing)}")
        return task()
    return task


def _seeds(seeds: Iterable[int] | str) -> list[int]:
    try:
        return parse_seeds(seeds if isinstance(seeds, str) else list(seeds))
    except ValueError as error:
        raise UserError(f"seeds: {error}") from None


def _definition(learner: str | Definition | type[nn.Module], name: str | None) -> tuple[dict[str, Any], str]:
    """A definition, and what the learner is called."""
    if isinstance(learner, str):
        known: dict[str, Any] = {}
        for path in DEFINED:
            known |= yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))["learners"]
        if learner not in known:
            raise UserError(f"no learner {learner!r}{nearest(learner, known)}; there are {', '.join(sorted(known))}")
        return dict(known[learner]), name or learner
    if isinstance(learner, Mapping):
        definition = dict(learner)
        kind = definition.get("module", definition.get("hf", definition.get("arch", "learner")))
        if isinstance(kind, type):
            definition["module"] = named(kind)
        return definition, name or (kind.__name__ if isinstance(kind, type) else str(kind))
    if isinstance(learner, type) and issubclass(learner, nn.Module):
        return {"module": named(learner)}, name or learner.__name__
    raise UserError(f"{learner!r} is no learner: give a name, a definition or a class that derives from nn.Module")


def _resolved(definition: Definition, label: str, updates: int, datasets: Mapping[str, Any]) -> dict[str, Any]:
    """The learner, checked against what it will meet."""
    examples = [example for dataset in datasets.values() for example in dataset.examples]
    sources = [len(source) for dataset in datasets.values() for source in dataset.test_sources]
    longest = max([*sources, *(len(e.source) for e in examples)]), max(len(e.target) for e in examples)
    request = {"updates": updates, "batch_size": None, "protocol": vars(Protocol()), "learner_folder": None}
    try:
        return resolve_as_it_is(definition, request, longest)
    except UserError as error:
        raise UserError(f"learner {label!r}: {error}") from None


def _job(task: Task, size: int, label: str, resolved: Mapping[str, Any], seeds: Mapping[int, list[str]]) -> Job:
    """What the workflow's jobs are made of, for all seeds and blocks at once."""
    about = resolved["learner"]
    engine = "modules" if "tried" in resolved else "fused" if resolved["not_fused"] is None else "fairseq"
    own = resolved.get("own")
    code = identity(engine, about["user_dir"]) if own is None else with_own_code(engine, own)
    return Job(
        task=task.name,
        size=size,
        name=label,
        learner=Learner(**about),
        protocol=Protocol(),
        engine=engine,
        engine_hash=code,
        n_training=len(task.training_inputs(size)),
        block_size=task.block_size_at(size),
        seeds=seeds,
        blocks=(0, task.n_blocks(size) - 1),
        milestones={},
        examples={name: dataset_digest(task, size, name) for names in seeds.values() for name in names},
    )
