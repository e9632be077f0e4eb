"""`measure`: a task and a learner, many seeds, FPA and code length; the workflow's own code in this process."""

from __future__ import annotations

import os

# Before MKL's first product: so engine `modules` gives here, to the last bit, what it gives in the workflow.
os.environ.setdefault("MKL_CBWR", "AUTO")

import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from indoubt.data.check import check_task
from indoubt.data.codes import THE_PAPERS, Blocks, CodeKind, Codes
from indoubt.data.datasets import Dataset, dataset_digest, dataset_in_memory
from indoubt.data.rules import rules
from indoubt.data.task import FPA, Task, check_size, load_tasks
from indoubt.engines.devices import choose_device
from indoubt.engines.registry import engine_of
from indoubt.errors import UserError, optional_packages
from indoubt.found.found_rules import found_tables
from indoubt.found.functions import found_rules
from indoubt.learner import InContextLearner, Keys, LookedAt, learner_of_json, type_of
from indoubt.measures.classify import predictions
from indoubt.notebook.arguments import (
    MEASURES,
    Definition,
    check_settings,
    checked_ledger,
    checked_measures,
    checked_seeds,
    checked_task,
    definition_of,
)
from indoubt.notebook.measurement import Bar, Measurement
from indoubt.tables.tables import build_tables
from indoubt.training import Protocol
from indoubt.workflow.config import Config
from indoubt.workflow.identity import identity, with_own_code
from indoubt.workflow.job import Job, Places
from indoubt.workflow.jobs import measured
from indoubt.workflow.own_learners import resolve_as_it_is
from indoubt.workflow.prompt_lengths import PromptLengths, check_prompts_differ

#: Measurements change what a process has but once (its random streams, how torch drops): one waits for the other.
_ONE_AT_A_TIME = threading.RLock()


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
    codes: Codes = "full",
    blocks: Blocks = "task",
) -> Measurement:
    """Train a learner on an ambiguous task, many seeds at once, and see which rule it follows.

    Args:
        task: a task's name, or a task of your own: a subclass of `indoubt.Task`, or an instance of one.
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
        codes: how much of code lengths is measured: all (`full`), enough to know each seed's shortest (`race`), or what
            T's training gives (`first`).
        blocks: in which blocks H is sent: the task's (`task`), or larger and larger ones (`doubling`).

    Raises:
        UserError: whatever is wrong with the task or the learner, in one sentence, before anything is trained.
    """
    settings = {"codes": codes, "blocks": blocks}
    with _ONE_AT_A_TIME, optional_packages():
        return _measured(task, learner, seeds, measures, size, updates, name, device, ledger, progress, settings)


def _measured(
    task: str | Task | type[Task],
    learner: str | Definition | type[nn.Module],
    seeds: Iterable[int] | str,
    measures: Sequence[str],
    size: int | None,
    updates: int,
    name: str | None,
    device: str,
    ledger: str | Path | None,
    progress: bool,
    asked: dict[str, Any],
) -> Measurement:
    chosen = checked_task(task)
    size = check_size(chosen, chosen.sizes[0] if size is None else size)
    check_task(chosen, size)
    names, numbers = checked_measures(measures), checked_seeds(seeds)
    definition, label = definition_of(learner, name)
    kind = check_settings(chosen, size, definition, label, updates, device, names, asked)
    needed = ([FPA] if "fpa" in names else []) + (list(rules(chosen)) if kind is not None else [])
    datasets = {each: dataset_in_memory(chosen, size, each) for each in dict.fromkeys([*needed, *rules(chosen)])}
    with tempfile.TemporaryDirectory() as folder:
        places = Places(Path(folder) if ledger is None else checked_ledger(ledger))
        resolved = _resolved(definition, label, updates, {each: datasets[each] for each in needed})
        job = _job(chosen, size, label, resolved, dict.fromkeys(numbers, needed), kind or THE_PAPERS)
        if isinstance(job.learner, InContextLearner):
            model = LookedAt(**resolved["looked_at"])
            PromptLengths(chosen, size, job.learner, model).check(needed, label)
            check_prompts_differ(job.learner, chosen, size, numbers, label)
        with Bar(f"{chosen.name} {size}, {label}", job.learner, progress) as bar:
            rows = measured(job, datasets, places, choose_device(device), bar)
    scores = [row for row in rows if row["kind"] == "score"]
    decodes = [row for row in rows if row["kind"] == "decode"]
    lines = predictions(chosen, size, decodes)
    cannot_tell = {label: resolved["cannot_tell"]}
    tasks, own = load_tasks(), {chosen.name: chosen}
    tables = build_tables(scores, decodes, lines, own, cannot_tell=cannot_tell, published=chosen.name in tasks)
    found, signatures = found_tables(lines, tasks | own)
    tables |= {"found_rules": found, "signatures": signatures}
    rules_found = found_rules(chosen, size, found)
    return Measurement(chosen.name, size, label, job.engine, resolved.get("tried"), tables, rules_found, chosen)


def _resolved(definition: Definition, label: str, updates: int, datasets: Mapping[str, Any]) -> Keys:
    """The learner, checked against what it will meet."""
    examples = [example for dataset in datasets.values() for example in dataset.examples]
    sources = [len(source) for dataset in datasets.values() for source in dataset.test_sources]
    longest = max([*sources, *(len(e.source) for e in examples)]), max(len(e.target) for e in examples)
    request = {"updates": updates, "batch_size": None, "protocol": vars(Protocol()), "learner_folder": None}
    cells = [] if type_of(definition).needs != "symbols" else [_symbols(dataset) for dataset in datasets.values()]
    try:
        return resolve_as_it_is(definition, request, longest, cells)
    except UserError as error:
        raise UserError(f"learner {label!r}: {error}") from None


def _symbols(dataset: Dataset) -> dict[str, Any]:
    """What a language model must have a token for."""
    return {"cell": "", "source": dataset.source_vocabulary.own, "target": dataset.target_vocabulary.own}


def _job(
    task: Task, size: int, label: str, resolved: Mapping[str, Any], seeds: Mapping[int, list[str]], code: CodeKind
) -> Job:
    """What the workflow's jobs are made of, for all seeds and blocks at once."""
    learner = learner_of_json(resolved["learner"])
    engine = engine_of(learner, Config.model_fields["engine"].default, resolved["not_fused"])
    own = resolved.get("own")
    filed_under = identity(engine, learner) if own is None else with_own_code(engine, own)
    return Job(
        task=task.name,
        size=size,
        name=label,
        learner=learner,
        protocol=Protocol(),
        engine=engine,
        engine_hash=filed_under,
        n_training=len(task.training_inputs(size)),
        block_size=task.block_size_at(size),
        seeds=seeds,
        blocks=(0, task.n_blocks(size) - 1),
        milestones={},
        examples={name: dataset_digest(task, size, name) for names in seeds.values() for name in names},
        code=code,
    )
