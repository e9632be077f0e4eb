"""Learners that have learned something before T: their trainings, that none is done twice, and what is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.data.datasets import dataset_digest, dataset_in_memory
from indoubt.data.starts import Stage, Start, joined, label_of
from indoubt.data.task import load_tasks
from indoubt.data.vocabulary import Vocabulary, vocabularies
from indoubt.engines.weights import weights_digest
from indoubt.errors import UserError
from indoubt.learner import Learner
from indoubt.learners.sweeps import expand_learners
from indoubt.report.rebuild import rows_of
from indoubt.training import Protocol
from indoubt.workflow import jobs
from indoubt.workflow.archive import pack, unpack
from indoubt.workflow.estimate import estimates
from indoubt.workflow.job import Job, LogReporter, Places
from indoubt.workflow.jobs import measured, started
from indoubt.workflow.ledger import read_records
from indoubt.workflow.missing import standings
from indoubt.workflow.plan import Plan
from indoubt.workflow.required_trainings import Cell
from indoubt.workflow.start_jobs import Starts
from indoubt.workflow.start_trainings import Before, before_of
from indoubt.workflow.starts import learned_twice, start_of, without_start
from tests.shared.archives import names

TASKS = load_tasks()
CPU = torch.device("cpu")
TASK, SIZE = "add-or-mul", 5


def before(learner: Learner, *stages: Stage, rename: bool = False) -> Before:
    datasets = [dataset_in_memory(TASKS[each.task], each.size, each.dataset) for each in stages]
    return before_of(Start(stages, rename), datasets, learner)


def job_of(learner: Learner, start: Start | None, seeds: tuple[int, ...] = (1, 2)) -> Job:
    task = TASKS[TASK]
    content: dict[str, Any] = {
        "task": TASK, "size": SIZE, "name": "after", "learner": learner.to_json(), "protocol": asdict(Protocol()),
        "engine": "fused", "engine_hash": "fused-1", "n_training": 1, "block_size": 1,
        "seeds": {seed: ["fpa", "mem"] for seed in seeds}, "blocks": [0, 1], "milestones": {},
        "code": {"codes": "full", "blocks": "task"},
        "examples": {name: dataset_digest(task, SIZE, name) for name in ("fpa", "mem")},
    }  # fmt: skip
    if start is not None:
        stages = [
            asdict(each) | {"examples": dataset_digest(TASKS[each.task], each.size, each.dataset)}
            for each in start.stages
        ]
        content["start"] = {"stages": stages, "rename": start.rename}
    return Job.from_json(json.dumps(content))


class Counted(LogReporter):
    def __init__(self) -> None:
        super().__init__("it")
        self.ids: list[str] = []

    def trained(self, training: Any, result: Any) -> None:
        self.ids.append(training.key)


@pytest.fixture
def small(learner_of: Callable[..., Learner], monkeypatch: pytest.MonkeyPatch) -> Learner:
    monkeypatch.setattr(jobs, "_check_code", lambda job: None)
    return learner_of("transformer", updates=6)


LINEAR = Stage("hierar-or-linear", 4, "linear", 5)


def run(job: Job, places: Places) -> tuple[list[dict[str, Any]], list[str]]:
    told = Counted()
    datasets = {name: dataset_in_memory(TASKS[TASK], SIZE, name) for name in ("fpa", *TASKS[TASK].candidates)}
    of_stages = before(job.learner, *job.start.start.stages, rename=job.start.start.rename) if job.start else None
    return measured(job, datasets, places, CPU, told, of_stages), told.ids


def test_symbols_keep_their_names_or_have_names_of_their_own() -> None:
    first, second = Vocabulary.of([("a", "b", "b")]), Vocabulary.of([("b", "c")])
    assert joined([first], second, rename=False).own == ("b", "a", "c")
    assert joined([first], second, rename=True).own == ("before:b", "before:a", "b", "c")
    assert joined([second, first], Vocabulary.of([("a",)]), rename=False).own == ("b", "c", "a")
    again = joined([first], joined([first], second, rename=True), rename=True)
    assert again == joined([first], second, rename=True), "what is joint stays as it is"
    with pytest.raises(UserError, match=r"symbol 'before:a', which `rename` would also give"):
        joined([first], Vocabulary.of([("before:a",)]), rename=True)


def test_a_start_on_a_task_alone_is_the_training_of_that_task(small: Learner) -> None:
    task = TASKS[TASK]
    of_itself = before(small, Stage(TASK, SIZE, None, small.updates))
    data = dataset_in_memory(task, SIZE, "fpa")
    plain = Cell({"fpa": data}, 1, 1, small, Protocol()).training("fpa", 3, 0)
    assert of_itself.training(3, Protocol(), of_itself.joint(data)).key == plain.key, "so it is trained once"


def test_the_measured_training_goes_on_from_the_last_stage(small: Learner) -> None:
    two = before(small, Stage("count-or-mem", 10, "count", 3), replace(LINEAR, batch_size=2))
    data = two.joint(dataset_in_memory(TASKS[TASK], SIZE, "fpa"))
    training = Cell({"fpa": data}, 1, 1, small, Protocol(), before=two).training("fpa", 1, 0)
    assert training.start is not None and training.start.start is not None and training.start.start.start is None
    assert (training.start.learner.updates, training.start.learner.batch_size) == (5, 2)
    assert training.start.source_symbols == training.start.start.source_symbols == training.source_symbols
    n_linear = len(TASKS["hierar-or-linear"].training_set(4)) + len(TASKS["hierar-or-linear"].scored_inputs(4))
    assert len(training.start.examples) == n_linear
    spelled = [training.start.source_symbols[i] for i in training.start.examples[0].source[:-1]]
    assert tuple(spelled) == TASKS["hierar-or-linear"].training_set(4)[0][0]


def test_a_start_is_done_once_and_its_weights_are_used(small: Learner, tmp_path: Path) -> None:
    places = Places(tmp_path / "ledger", starts=tmp_path / "starts")
    job = job_of(small, Start((LINEAR,)))
    rows, trained = run(job, places)
    assert len(trained) == len(set(trained)) == 2 + 2 + 2, "starts of two seeds, T of two, mem's first block of two"
    assert {row["start"]["status"] for row in rows} == {"ok"} and rows[0]["start"]["fits"] in (True, False)
    assert run(job, places) == (rows, []), "all of it is in the ledger"
    plain = run(job_of(small, None), places)[0]
    assert all("start" not in row for row in plain)
    changed = [row["nats"] for row in rows if row["kind"] == "score"]
    assert changed != [row["nats"] for row in plain if row["kind"] == "score"]
    records = [record for shelf in places.ledger.glob("*/*/") for record in read_records(shelf)]
    assert sum(record.note.get("start", False) for record in records) == 2


def test_killed_between_a_start_and_t_nothing_is_done_twice(small: Learner, tmp_path: Path) -> None:
    places = Places(tmp_path / "ledger", starts=tmp_path / "starts")
    job = job_of(small, Start((Stage("count-or-mem", 10, "count", 3), LINEAR)))
    datasets = {name: dataset_in_memory(TASKS[TASK], SIZE, name) for name in ("fpa", "mem")}
    told, of_stages = Counted(), before(small, *job.start.start.stages)  # type: ignore[union-attr]
    rows = started(job, datasets, of_stages, places, CPU, told)
    assert len(told.ids) == len(rows) == 4
    _, trained = run(job, places)
    assert len(trained) == 4 and not set(trained) & set(told.ids)


def test_weights_that_are_gone_are_trained_again_where_something_goes_on_from_them(
    small: Learner, tmp_path: Path
) -> None:
    places = Places(tmp_path / "ledger", starts=tmp_path / "starts")
    rows, _ = run(job_of(small, Start((LINEAR,)), (1,)), places)
    for path in (tmp_path / "starts").glob("*/*.pt"):
        path.unlink()
    assert run(job_of(small, Start((LINEAR,)), (1,)), places) == (rows, []), "nothing needs them"
    later, trained = run(job_of(small, Start((LINEAR,))), places)
    assert len(trained) == 3 and later[: len(rows)] == rows, "seed 2 alone"


def test_weights_that_are_not_those_that_were_kept_are_not_gone_on_from(
    small: Learner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that was exchanged, or is of another run, would give numbers of another start under this one's name."""
    one, other = (Places(tmp_path / name / "ledger", starts=tmp_path / name / "starts") for name in ("one", "other"))
    start, renamed = Start((LINEAR,)), Start((replace(LINEAR, rule="hierar"),))
    for places in (one, other):
        run(job_of(small, start, (1,)), places)
    notes = [[record.note["weights"] for shelf in places.ledger.glob("*/*/") for record in read_records(shelf)
              if "weights" in record.note] for places in (one, other)]  # fmt: skip
    assert notes[0] == notes[1] and len(notes[0]) == 1, "the same training, the same weights"
    run(job_of(small, renamed, (1,)), other)
    mine = next((tmp_path / "one/starts").glob("*/*.pt"))
    (foreign,) = (path for path in (tmp_path / "other/starts").glob("*/*.pt") if path.name != mine.name)
    sound = weights_digest(mine)
    mine.write_bytes(foreign.read_bytes())
    longer = replace(job_of(small, start, (1,)), blocks=(0, 2))
    _, trained = run(longer, one)
    assert "is not what its training left" in capsys.readouterr().err
    assert mine.stem in trained and weights_digest(mine) == sound


def test_an_archive_may_hold_the_weights_of_starts(tmp_path: Path) -> None:
    """T here, the training on the first block where the archive is unpacked: no start is trained again."""
    stage = {"task": "hierar-or-linear", "size": 4, "rule": "linear", "updates": 5}
    about = {"task": TASK, "sizes": [SIZE], "learners": ["after"], "seeds": "1-2", "measures": ["code_length"]}
    content = {"device": "cpu", "seeds_per_job": 2, "blocks_per_job": 1, "experiments": [about]}
    narrow = {"encoder_embed_dim": 8, "encoder_layers": 1, "decoder_embed_dim": 8, "decoder_layers": 1}
    content["learners"] = {"after": {"arch": "lstm", "optimizer": "adam", "updates": 4, "start": stage} | narrow}
    plan = Plan(content, tmp_path / "cache")
    (cell,) = plan.cells.values()
    here, there, archive = tmp_path / "here", tmp_path / "there", tmp_path / "it.tar.gz"

    def train(results: Path, chunk: int) -> list[str]:
        job = Job.from_json(json.dumps(plan.job(cell, plan.chunks(cell)[chunk])))
        return run(job, Places(results / "ledger", starts=results / "starts/weights"))[1]

    trained = train(here, 0)
    assert len(trained) == 4
    pack(content, plan, here, archive, tables=False)
    assert not any(name.endswith(".pt") for name in names(archive.read_bytes()))
    pack(content, plan, here, archive, tables=False, weights=True)
    shutil.copytree(tmp_path / "cache", there / ".cache")  # resolving learners takes seconds
    unpack(archive, there)
    kept = {path.stem for path in (there / "starts/weights").glob("*/*.pt")}
    assert len(kept) == 2 and kept < set(trained)
    more = train(there, 1)
    assert more and not kept & set(more)


def test_tables_without_snakemake_are_of_the_trainings_that_go_on_from_a_start(small: Learner, tmp_path: Path) -> None:
    """Not of those without one, which the ledger has too, of the same learner on the same data."""
    narrow = {"encoder_embed_dim": 8, "encoder_layers": 1, "decoder_embed_dim": 8, "decoder_layers": 1}
    plain: dict[str, Any] = {"arch": "lstm", "optimizer": "adam", "lr": 0.05, "updates": 30} | narrow
    stage = {"task": TASK, "size": SIZE, "rule": "mul"}
    names = ["plain", "after"]
    about = {"task": TASK, "sizes": [SIZE], "learners": names, "seeds": "1-2", "measures": ["fpa"]}
    learners = {"plain": plain, "after": plain | {"start": stage}}
    plan = Plan({"device": "cpu", "experiments": [about], "learners": learners}, tmp_path / "cache")
    rows: dict[str, list[Any]] = {name: [] for name in names}
    for name in names:
        cell = plan.cell(TASK, SIZE, name)
        for chunk in plan.chunks(cell):
            job = Job.from_json(json.dumps(plan.job(cell, chunk)))
            rows[name] += run(job, Places(tmp_path / "ledger", starts=tmp_path / "starts"))[0]
    assert [row["training_id"] for row in rows["plain"]] != [row["training_id"] for row in rows["after"]]
    for name in names:
        assert rows_of(plan, plan.cell(TASK, SIZE, name), tmp_path / "ledger") == rows[name]


def test_a_job_that_is_not_told_what_was_learned_before_gives_no_rows(small: Learner, tmp_path: Path) -> None:
    datasets = {name: dataset_in_memory(TASKS[TASK], SIZE, name) for name in ("fpa", "mem")}
    with pytest.raises(ValueError, match="'after' has a start"):
        measured(job_of(small, Start((LINEAR,))), datasets, Places(tmp_path), CPU, Counted())


def test_what_goes_on_from_a_start_that_diverged_has_diverged(
    small: Learner, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = replace(small, arguments=small.arguments | {"lr": [1e30], "warmup_init_lr": 1e30, "warmup_updates": 1})
    places = Places(tmp_path / "ledger", starts=tmp_path / "starts")
    rows, _ = run(job_of(wild, Start((LINEAR,)), (7,)), places)
    assert {(row["status"], row["start"]["status"], row["start"]["fits"]) for row in rows} == {
        ("diverged", "diverged", None)
    }
    assert "seed 7: its start diverged" in capsys.readouterr().err


def refused(start: Any, message: str, **more: Any) -> None:
    with pytest.raises(UserError, match=f"learner 'it': start: .*{message}"):
        read(start, **more)


def read(start: Any, carried: bool = False, released: bool = False, **more: Any) -> Start | None:
    return start_of("it", {"arch": "transformer", "start": start} | more, TASKS, 3000, carried, released)


GOOD = {"task": "hierar-or-linear", "size": 4, "rule": "linear"}


def test_what_a_start_may_be() -> None:
    assert read(GOOD) == Start((Stage("hierar-or-linear", 4, "linear", 3000),))
    assert read([GOOD | {"updates": 10}, {"task": TASK, "size": 5, "batch_size": 2}], updates=7) == Start(
        (Stage("hierar-or-linear", 4, "linear", 10), Stage(TASK, 5, None, 7, 2))
    )
    renamed = read(GOOD, rename=True)
    assert renamed is not None and renamed == read(GOOD | {"rename": True}) and renamed.rename
    assert read(None) is None and read(GOOD | {"updates": 0}) is None, "what teaches nothing is none"
    random = read(GOOD | {"rule": "random"})
    assert random is not None and random.label == "hierar-or-linear 4 random"


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (GOOD | {"rule": "lineal"}, "task 'hierar-or-linear' has no candidate 'lineal' .*did you mean 'linear'"),
        (GOOD | {"size": 5}, "no size 5"),
        (GOOD | {"task": "hierar"}, "no task 'hierar'"),
        (GOOD | {"learner": "it"}, "no 'learner', which could lead back to itself"),
        (GOOD | {"start": GOOD}, "no 'start', which could lead back to itself"),
        (GOOD | {"colour": 1}, "unknown key 'colour'"),
        (GOOD | {"updates": -1}, "updates is -1"),
        (GOOD | {"updates": True}, "updates is True"),
        (GOOD | {"batch_size": 0}, "batch_size is 0"),
        (GOOD | {"rename": "yes"}, "rename is true or false, not 'yes'"),
        ({"task": "hierar-or-linear"}, "size is missing"),
        ([], "it is empty"),
        ("linear", "is no mapping"),
    ],
)
def test_what_it_may_not_be(start: Any, message: str) -> None:
    refused(start, message)


def test_protocols_that_have_no_start() -> None:
    refused(GOOD, "adam_state 'carried'", carried=True)
    refused(GOOD, "rng_streams 'released'", released=True)


def test_one_learner_under_two_names_is_said() -> None:
    definition = {"arch": "transformer", "start": GOOD}
    start = start_of("it", definition, TASKS, 3000, False, False)
    assert start is not None
    (said,) = learned_twice({"one": start, "two": start}, {"one": definition, "two": definition})
    assert said.startswith("learner 'two' is learner 'one' under another name")
    other = definition | {"dropout": 0.1}
    assert not list(learned_twice({"one": start, "two": start}, {"one": definition, "two": other}))


def test_a_start_counts_once_in_estimates_and_in_where_a_run_stands(tmp_path: Path) -> None:
    stage = {"task": "hierar-or-linear", "size": 4, "rule": "linear", "updates": 5}
    learners = {"after": {"arch": "lstm", "optimizer": "adam", "updates": 4, "start": stage}}
    experiments = [
        {"task": task, "sizes": [size], "learners": ["after"], "seeds": "1-3", "measures": ["fpa"]}
        for task, size in (("add-or-mul", 5), ("count-or-mem", 10))
    ]
    plan = Plan({"device": "cpu", "learners": learners, "experiments": experiments}, tmp_path / "cache")
    (start,) = Starts(plan).plans.values()
    assert start.seeds == (1, 2, 3) and start.name.startswith("hierar-or-linear-4-linear_")
    assert [each.n_trainings for each in estimates(plan, tmp_path / "ledger")] == [3 + 3, 3]
    assert [len(each.missing) for each in standings(plan, tmp_path / "ledger")] == [3 + 3, 3]


def test_a_sweep_over_starts_gives_a_learner_each() -> None:
    definition = {"arch": "transformer", "sweep": {"start": [None, GOOD, [GOOD, {"task": TASK, "size": 5}]]}}
    expanded = expand_learners({"learners": {"t": definition}, "experiments": [{"task": TASK, "learners": ["t"]}]})
    names = ["t,start=none", "t,start=hierar-or-linear-4-linear", "t,start=hierar-or-linear-4-linear+add-or-mul-5"]
    assert list(expanded.content["learners"]) == names == expanded.content["experiments"][0]["learners"]
    assert expanded.content["learners"][names[1]]["start"] == GOOD
    assert expanded.sweeps["t"][names[1]] == {"start": label_of(GOOD)}
    assert without_start(expanded.content["learners"][names[1]]) == {"arch": "transformer"}


def test_a_vocabulary_is_shared_by_datasets_of_the_same_symbols() -> None:
    start = Start((LINEAR,))
    pairs = {start.joint(TASKS, TASKS["comp-or-mem"], 5, dataset) for dataset in ("fpa", "compo", "mem_prim")}
    own = {vocabularies(TASKS["comp-or-mem"], 5, dataset) for dataset in ("fpa", "compo", "mem_prim")}
    assert len(pairs) == 1 < len(own), "where fairseq's order is by count, that of a start's symbols is first"
