"""One job: a range of seeds and of blocks of one (task, size, learner), from the ledger where it is known."""

from __future__ import annotations

import itertools
import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from indoubt.data.datasets import Dataset
from indoubt.engines.devices import made_by
from indoubt.engines.registry import engine_named
from indoubt.engines.weights import weights_digest
from indoubt.errors import UserError
from indoubt.files import write_atomically
from indoubt.learner import ModuleLearner
from indoubt.training import Result, Training
from indoubt.workflow.heartbeat import heartbeat
from indoubt.workflow.identity import identity, with_own_code, without_values
from indoubt.workflow.job import Job, LogReporter, Places, ProgressReporter
from indoubt.workflow.ledger import FROM_KEPT, WEIGHTS, Ledger
from indoubt.workflow.required_trainings import (
    Cell,
    Chain,
    keeper,
    kept_at,
    kept_models,
    required,
)
from indoubt.workflow.result_rows import result_rows
from indoubt.workflow.start_trainings import Before, before_of, fits, starts_of, with_starts


def run_job(
    job: Job, data_bin: Path, places: Places, output: Path, device: torch.device, starts_alone: bool = False
) -> None:
    """Do what is missing of a job, then write its rows, whole.

    Args:
        data_bin: folder of the (task, size)'s binarized datasets.
        output: JSON lines, one per scored block and per decoded test set; with `starts_alone` one per start.
        starts_alone: only the starts of the job's seeds are trained.
    """
    about = {"task": job.task, "size": job.size, "learner": job.name, "blocks": list(job.blocks)}
    with heartbeat(places.running, about | {"seeds": sorted(job.seeds)}):
        datasets = {name: _read(data_bin / name, examples) for name, examples in job.examples.items()}
        told, before = LogReporter(f"{job.task}/{job.size} {job.name}"), _before(job, data_bin)
        if starts_alone:
            write_atomically(output, _text(started(job, datasets, before, places, device, told)))
        else:
            write_atomically(output, _text(measured(job, datasets, places, device, told, before)))


def rows_text(job: Job, datasets: Mapping[str, Dataset], ledger: Ledger, before: Before | None = None) -> str | None:
    """What the job's output would hold, had it nothing to train; None: it has."""
    cell = _cell(job, datasets, before)
    chains = required(cell, job.requests, job.trained, ledger)
    lacking = any(ledger.find(training) is None for training in with_starts(chains))
    return None if lacking else _text(result_rows(job, cell, ledger))


def _text(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def _cell(job: Job, datasets: Mapping[str, Dataset], before: Before | None) -> Cell:
    """A job's cell.

    Raises:
        ValueError: what its learner has learned before was not handed over; its trainings would be those without.
    """
    if (job.start is None) != (before is None):
        raise ValueError(f"learner {job.name!r} has a start, and what it has learned before was not handed over")
    if before is not None:
        datasets = {name: before.joint(dataset) for name, dataset in datasets.items()}
    return Cell(datasets, job.n_training, job.block_size, job.learner, job.protocol, job.milestones, before, job.code)


def _missing(wanted: Sequence[Chain], ledger: Ledger) -> list[Chain]:
    return [chain for chain in wanted if any(ledger.find(training) is None for training in chain)]


def _before(job: Job, data_bin: Path) -> Before | None:
    """What the job's learner has learned before, from the binarized datasets of its stages."""
    if job.start is None:
        return None
    datasets = []
    for stage, examples in zip(job.start.start.stages, job.start.examples, strict=True):
        folder = data_bin.parents[1] / stage.task / str(stage.size) / stage.dataset
        datasets.append(_read(folder, examples))
    return before_of(job.start.start, datasets, job.learner)


def _read(folder: Path, examples: str) -> Dataset:
    """A binarized dataset that holds what the task gave when the run was planned.

    Raises:
        UserError: it is damaged, or holds something else.
    """
    from indoubt.data.binary import check_sums, load_dataset  # now: `measured` is of use without fairseq

    check_sums(folder)
    dataset = load_dataset(folder)
    if dataset.digest != examples:
        text = Path(*("data" if part == "data-bin" else part for part in folder.parts))
        raise UserError(
            f"{folder} does not hold what task {folder.parts[-3]!r} gives at size {folder.parts[-2]}: it was edited, "
            "the task has changed since this run was planned, or gives other examples each time it is asked; delete "
            f"{text} and {folder}, and run again"
        )
    return dataset


def measured(
    job: Job,
    datasets: Mapping[str, Dataset],
    places: Places,
    device: torch.device,
    told: ProgressReporter,
    before: Before | None = None,
) -> list[dict[str, Any]]:
    """Do what is missing of a job, of races what their seeds need next until nothing is; returns its rows."""
    cell, ledger = _cell(job, datasets, before), Ledger(places.ledger, job.engine_hash)
    begun = False
    while True:
        chains = required(cell, job.requests, job.trained, ledger)
        missing = _missing(chains, ledger)
        starts = _starts_to_learn(job, chains, missing, ledger, places)
        if not begun or missing or starts:
            told.begin(sum(map(len, chains)) + len(starts), sum(map(len, missing)) + len(starts))
        if not missing and not starts:
            return list(result_rows(job, cell, ledger))
        begun = True
        _learn(job, starts, ledger, places, device, told)
        _train_missing(job, missing, ledger, places, device, told)


def started(
    job: Job,
    datasets: Mapping[str, Dataset],
    before: Before | None,
    places: Places,
    device: torch.device,
    told: ProgressReporter,
) -> list[dict[str, Any]]:
    """Train what is missing of the starts of a job's seeds, or has lost its weights; a row for each of them."""
    ledger = Ledger(places.ledger, job.engine_hash)
    chains = required(_cell(job, datasets, before), job.requests, job.trained, ledger)
    starts = _starts_to_learn(job, chains, chains, ledger, places)
    all_starts = starts_of(chains)
    told.begin(len(all_starts), len(starts))
    _learn(job, starts, ledger, places, device, told)
    rows = []
    for training in all_starts:
        result = ledger.find(training)
        assert result is not None
        about = {"training_id": training.key, "seed": training.seed, "updates": training.learner.updates}
        rows.append(about | {"status": result.status, "fits": fits(training, result), "seconds": result.seconds})
    return rows


def _starts_to_learn(
    job: Job, wanted: Sequence[Chain], missing: Sequence[Chain], ledger: Ledger, places: Places
) -> list[Training]:
    """The starts of some trainings that are to be trained: they are not in the ledger, or what goes on from them and is
    missing needs weights that nobody has kept.
    """
    needed = starts_of(wanted) if job.start is not None else []
    to_learn: dict[str, Training] = {}
    direct = {chain[0].start.key for chain in missing if chain[0].start is not None}
    for training in reversed(needed):  # the last stage first: where its weights are there, the others are not needed
        result = ledger.find(training)
        goes_on = any(each.start is not None and each.start.key == training.key for each in to_learn.values())
        if result is None or ((training.key in direct or goes_on) and _lost(job, training, result, places, ledger)):
            to_learn[training.key] = training
    return list(reversed(to_learn.values()))


def _lost(job: Job, training: Training, result: Result, places: Places, ledger: Ledger) -> bool:
    """Whether a start has no weights to go on from, though it has some that were."""
    return result.status == "ok" and weights_of(job, training, places, ledger) is None


def weights_of(job: Job, training: Training, places: Places, ledger: Ledger) -> Path | None:
    """The file with the weights of a start, if they were kept: as those of a start, or of a T.

    Weights other than those that the start's record tells of are of another training, and are not taken.
    """
    folders = [folder for folder in (places.starts, places.checkpoints) if folder is not None]
    paths = [path for each in folders if (path := kept_at(each, job.engine_hash, training)) is not None]
    known = {record.note[WEIGHTS] for record in ledger.records(training) if WEIGHTS in record.note}
    for path in paths:
        try:
            if not known or weights_digest(path) in known:
                return path
        except UserError as error:
            print(f"warning: {error}", file=sys.stderr)
        print(f"warning: {path} is not what its training left; the start is trained again", file=sys.stderr)
    return None


def _learn(
    job: Job, starts: Sequence[Training], ledger: Ledger, places: Places, device: torch.device, told: ProgressReporter
) -> None:
    """Train starts, stage by stage, and keep their weights before each counts as done."""
    if not starts:
        return
    if places.starts is None:
        raise UserError(f"learner {job.name!r} has a start, and there is no folder for its weights")
    _check_code(job)
    keep, folder = keeper(places.starts, job.engine_hash), places.states
    by_stage: dict[int, list[Training]] = {}
    for training in starts:
        depth, before = 0, training.start
        while before is not None:
            depth, before = depth + 1, before.start
        by_stage.setdefault(depth, []).append(training)
    for depth in sorted(by_stage):
        known = {training.key: training for training in by_stage[depth]}
        states = folder / job.engine_hash / f"start-{depth}-{job.label}" if folder is not None else None
        ready, diverged = _from_starts(job, [[each] for each in by_stage[depth]], ledger, places, device)
        train_chains = engine_named(job.engine).train_chains
        for result in itertools.chain(diverged, train_chains(ready, device, state_folder=states, keep=keep)):
            path = kept_at(places.starts, job.engine_hash, known[result.key])
            kept = {WEIGHTS: weights_digest(path)} if path is not None else {}
            _record(job, known[result.key], result, ledger, {"start": True, **kept})
            told.trained(known[result.key], result)
        if states is not None:
            shutil.rmtree(states, ignore_errors=True)


def _from_starts(
    job: Job, wanted: Sequence[Chain], ledger: Ledger, places: Places, device: torch.device
) -> tuple[list[Chain], list[Result]]:
    """Chains with the weights of their starts; of those whose start diverged the results, for they have with it."""
    ready: list[Chain] = []
    diverged: list[Result] = []
    for chain in wanted:
        start = chain[0].start
        if start is None:
            ready.append(chain)
            continue
        result, weights = ledger.find(start), weights_of(job, start, places, ledger)
        if result is not None and result.status == "diverged":
            print(f"seed {start.seed}: its start diverged, so there is nothing to go on from", file=sys.stderr)
            diverged.append(made_by(Result(chain[0].key, "diverged", 0.0, 0), job.engine, device))
            continue
        assert weights is not None
        ready.append([replace(training, weights=weights) for training in chain])
    return ready, diverged


def _train_missing(
    job: Job, missing: Sequence[Chain], ledger: Ledger, places: Places, device: torch.device, told: ProgressReporter
) -> None:
    """Execute trainings, recording each as it finishes; what is asked of kept weights is read off them."""
    if missing:
        _check_code(job)
    engine, keep, to_train = engine_named(job.engine), None, list(missing)
    if places.checkpoints is not None:
        keep = keeper(places.checkpoints, job.engine_hash)
        for training, model in kept_models(places.checkpoints, job.engine_hash, missing, ledger, device):
            result = engine.evaluate_kept(training, model, device)
            _record(job, training, result, ledger, {FROM_KEPT: True})
            told.trained(training, result)
            to_train.remove([training])
    trainings = {training.key: training for chain in missing for training in chain}
    states = places.states / job.engine_hash / job.label if places.states is not None else None
    ready, diverged = _from_starts(job, to_train, ledger, places, device)
    for result in itertools.chain(diverged, engine.train_chains(ready, device, state_folder=states, keep=keep)):
        _record(job, trainings[result.key], result, ledger, {})
        told.trained(trainings[result.key], result)
    if states is not None:
        shutil.rmtree(states, ignore_errors=True)


def _record(job: Job, training: Training, result: Result, ledger: Ledger, more: Mapping[str, Any]) -> None:
    """Put a training into the ledger, unless it stands there as it is."""
    if ledger.find(training) == result:  # a chain that goes on from its state gives its first results once more
        return
    note = {"task": job.task, "size": job.size, "learner": job.name, "seed": training.seed}
    note |= {"block": training.block, "adam_state": job.protocol.adam_state}
    note |= {"rng_streams": job.protocol.rng_streams, "n_training": job.n_training}
    if training.start is not None:
        note["goes_on_from"] = training.start.key
    ledger.add(training, result, {**note, **more})


def _check_code(job: Job) -> None:
    """Refuse to train by other code than results are filed under. A module's is read first, and not read again."""
    planned, today = job.engine_hash, None
    if isinstance(job.learner, ModuleLearner):
        from indoubt.engines.modules.loader import is_given, load_class
        from indoubt.workflow.own_learners import is_users_module, own_of

        where = job.learner.file, job.learner.class_name
        load_class(*where)
        if is_given(*where):  # from Python: there is no file that could have changed
            return
        if is_users_module(job.learner):  # not its values, which another processor may round in its own way
            planned, today = without_values(planned), without_values(with_own_code(job.engine, own_of(job.learner)))
    if (today or identity(job.engine, job.learner)) != planned:
        raise UserError(
            f"the code of learner {job.name!r} is not {job.engine_hash}, by which trainings of it are missing: it has "
            "changed since this run was planned (run again), or `measured_by` names other code (take the learner out "
            "of it to train all of its trainings by today's)"
        )
