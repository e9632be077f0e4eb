"""Language models in a configuration: what is planned, what it costs, and what is refused before anything is read."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import yaml

from indoubt.data.task import load_tasks
from indoubt.errors import UserError
from indoubt.learner import InContextLearner, LookedAt
from indoubt.learners.sweeps import expand_learners
from indoubt.measures.classify import predictions
from indoubt.report.answer import Answers
from indoubt.schema import columns_of
from indoubt.tables.tables import build_tables
from indoubt.training import Protocol, Result, Training, is_chained
from indoubt.workflow.archive import pack, unpack
from indoubt.workflow.job import Job, Places
from indoubt.workflow.jobs import measured, rows_text
from indoubt.workflow.ledger import Ledger
from indoubt.workflow.plan import Plan
from indoubt.workflow.prompt_lengths import PromptLengths, check_prompts_differ
from indoubt.workflow.rule_params import described
from tests.shared import in_context

CELL = {"task": "comp-or-mem", "sizes": [5], "learners": ["small"], "seeds": "1-6"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return in_context.saved_llama(tmp_path_factory.mktemp("models") / "llama", max_position_embeddings=300)


def plan(folder: Path, cell: dict[str, Any] | None = None, more: dict[str, Any] | None = None, **given: Any) -> Plan:
    small = {"in_context": str(folder), "symbols": "letters"} | given
    content = {"device": "cpu", "learners": {"small": small}, "experiments": [CELL | (cell or {})]}
    return Plan(content | (more or {}), folder.parent / "cache")


def refusal(*arguments: Any, **given: Any) -> str:
    with pytest.raises(UserError) as error:
        plan(*arguments, **given)
    return str(error.value).partition("\n")[2].strip()


def test_a_job_has_all_blocks_of_its_prompts(folder: Path) -> None:
    """The last block's pass gives all others' for nothing, whatever a job is expected to take."""
    made = plan(folder, more={"job_minutes": 1e-9})
    cell = made.cell("comp-or-mem", 5, "small")
    chunks = made.chunks(cell)
    assert made.engine("small") == "in_context" and made.engine_hash_of(cell).startswith("in_context-")
    assert [chunk.seeds for chunk in chunks] == [(seed,) for seed in range(1, 7)]
    assert {chunk.blocks for chunk in chunks} == {(0, 3)}
    (chunk,) = plan(folder).chunks(cell)
    assert chunk.seeds == tuple(range(1, 7))
    assert Job.from_json(json.dumps(made.job(cell, chunks[0]))).learner == made.learners["small"]


def test_tokens_are_those_that_are_read(folder: Path) -> None:
    """T has five primitives and a composed example; a prompt begins with its start; arrow and end are around each."""
    made = plan(folder)
    cell = made.cell("comp-or-mem", 5, "small")
    read = made.costs.tokens(cell)
    assert read is not None
    task = load_tasks()["comp-or-mem"]
    measured = in_context.cell_of(task, 5, made.learners["small"])  # type: ignore[arg-type]
    writer = in_context.Writer(in_context.Tokens(in_context.tokenizer()), made.learners["small"].arguments, "")
    prompt = writer.prompt(measured.training("fpa", 1, 0))
    assert read.prompt == len(prompt.start)
    of_compo = sum(len(prompt.example(e)) for block in measured.blocks("compo", 1)[1:] for e in block)
    assert read.longest(["compo"]) == read.prompt + of_compo
    in_mean = sum(read.block(block) for block in range(1, 5))
    others = [sum(len(prompt.example(e)) for b in measured.blocks(name, 1)[1:] for e in b) for name in task.candidates]
    assert in_mean == pytest.approx(sum(others) / len(others))
    assert made.costs.training_seconds(cell, 1) > 0 and made.costs.decoding_seconds(cell) > 0
    assert made.seconds(cell, made.chunks(cell)[0]) > 0
    assert "a seed is a prompt" in described(made)["small"]


def tokens(name: str, size: int, **given: Any) -> PromptLengths:
    """Of a model that reads 300 tokens."""
    learner = InContextLearner(in_context.ARGUMENTS | given, folder="models/some")
    return PromptLengths(load_tasks()[name], size, learner, LookedAt("llama", 1000, 300, 31, 1, 2, 1e-3, 100))


@pytest.mark.parametrize(
    ("name", "size", "datasets", "copies", "words"),
    [
        (
            "count-or-mem",
            10,
            ["fpa", "count"],
            1,
            "T and H of count-or-mem/10 take 463 tokens and 'models/some' reads 300",
        ),
        ("count-or-mem", 10, ["fpa", "count"], 1, "(max_position_embeddings); measure fpa alone"),
        ("count-or-mem", 20, ["count"], 1, "; a smaller size"),
        ("comp-or-mem", 5, ["compo"], 12, "; give fewer copies"),
        ("count-or-mem", 40, ["fpa"], 1, "T and an input with its output of count-or-mem/40 take"),
    ],
)
def test_what_is_longer_than_a_model_reads_is_refused(
    name: str, size: int, datasets: list[str], copies: int, words: str
) -> None:
    with pytest.raises(UserError) as error:
        tokens(name, size, copies=copies).check(datasets, "small")
    assert words in str(error.value)
    tokens("comp-or-mem", 5).check(["fpa", "compo"], "small")


@pytest.mark.parametrize(
    ("name", "given", "differ"),
    [
        ("add-or-mul", {"symbols": "own"}, False),  # T is one example
        ("comp-or-mem", {"symbols": "own", "order": "given"}, False),
        ("comp-or-mem", {"symbols": "own"}, True),
        ("add-or-mul", {"order": "given"}, True),
        ("add-or-mul", {"symbols": "own", "weights": "untrained"}, True),
    ],
)
def test_seeds_that_would_be_one_prompt_are_refused(name: str, given: dict[str, Any], differ: bool) -> None:
    learner = InContextLearner(in_context.ARGUMENTS | given, folder="models/some")
    check_prompts_differ(learner, load_tasks()[name], 5, [1], "small")
    if differ:
        check_prompts_differ(learner, load_tasks()[name], 5, [1, 2], "small")
        return
    with pytest.raises(UserError, match=r"all 2 seeds of .* would be the same prompt"):
        check_prompts_differ(learner, load_tasks()[name], 5, [1, 2], "small")


def test_there_is_nothing_to_look_at_on_the_way(folder: Path) -> None:
    assert "nothing is trained of learner 'small'" in refusal(folder, {"milestones": [10]})


def test_nothing_is_kept_of_what_is_not_trained(folder: Path) -> None:
    assert "keep_checkpoints keeps trained weights" in refusal(folder, None, {"keep_checkpoints": "T"})


def test_a_protocol_chains_nothing(folder: Path) -> None:
    learner = plan(folder).learners["small"]
    assert not is_chained(learner, Protocol("carried", "released", 1))


def test_an_archive_is_rebuilt_where_the_model_is_not(tmp_path: Path) -> None:
    """Its tables say prompts, and what the model would have said beside; more of it cannot be measured."""
    model = in_context.saved_llama(tmp_path / "llama")
    cell = {"task": "hierar-or-linear", "sizes": [4], "learners": ["small"], "seeds": "1-2"}
    learners: dict[str, Any] = {"small": {"in_context": str(model), "symbols": "letters"}}
    learners["swept"] = learners["small"] | {"sweep": {"order": ["drawn", "given"], "copies": [1, 2]}}
    content = {"device": "cpu", "learners": learners, "experiments": [cell]}
    made = Plan(content, tmp_path / "here/.cache")
    of_small = made.cell("hierar-or-linear", 4, "small")
    measured_cell = in_context.cell_of(made.tasks["hierar-or-linear"], 4, made.learners["small"])  # type: ignore[arg-type]
    job = Job.from_json(json.dumps(made.job(of_small, made.chunks(of_small)[0])))
    rows = measured(job, measured_cell.datasets, Places(tmp_path / "here/ledger"), torch.device("cpu"), Silent())
    pack(content, made, tmp_path / "here", tmp_path / "packed.tar.gz", tables=False)
    shutil.rmtree(model)
    config, others = unpack(tmp_path / "packed.tar.gz", tmp_path / "there")
    assert others == []
    assert expand_learners(yaml.safe_load(config.read_text())).sweeps == expand_learners(content).sweeps
    there = Plan(yaml.safe_load(config.read_text()), tmp_path / "there/.cache")
    assert there.models == {} and there.learners["small"].content == made.learners["small"].content
    again = Job.from_json(json.dumps(there.job(of_small, there.chunks(of_small)[0])))
    kept = Ledger(tmp_path / "there/ledger", again.engine_hash)
    assert (
        json.loads(str(rows_text(again, measured_cell.datasets, kept)).splitlines()[0]).items()
        >= {key: value for key, value in rows[0].items() if key not in ("configured",)}.items()
    )
    tables = build_tables(
        [row for row in rows if row["kind"] == "score"],
        [row for row in rows if row["kind"] == "decode"],
        predictions(made.tasks["hierar-or-linear"], 4, [row for row in rows if row["kind"] == "decode"]),
        made.tasks,
    )
    found = {"found_rules": pd.DataFrame(columns=columns_of("found_rules"))}
    code, fpa = tables["code_length"], tables["fpa"]
    symbols = sum(len(output) + 1 for _, output in made.tasks["hierar-or-linear"].holdout_set(4, "linear"))
    linear = code.set_index("candidate").loc["linear"]
    assert linear["uniform_bits"] == pytest.approx(symbols * math.log2(3))
    outside = [row["outside"] / math.log(2) for row in rows if row.get("dataset") == "linear"]
    assert linear["outside_bits"] == pytest.approx(sum(outside) / 2)
    shares = [row["outside"] for row in rows if row["kind"] == "decode"]
    assert fpa["outside_share"].tolist() == pytest.approx([sum(shares) / 2] * len(fpa))
    assert "prompts" in Answers(tables | found).matrix(["hierar-or-linear"], ["small"]).summary


class Silent:
    """Is told, and says nothing."""

    def begin(self, total: int, to_do: int) -> None: ...

    def trained(self, training: Training, result: Result) -> None: ...
