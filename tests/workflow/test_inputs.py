"""What users type: numbers that are none, seeds from a date, grids over layers; answered before anything runs."""

from __future__ import annotations

import csv
import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from indoubt.data.seeds import LARGEST, label, parse_seeds
from indoubt.data.task import load_tasks
from indoubt.errors import UserError
from indoubt.learner import Learner
from indoubt.learners.sweeps import expand_learners, in_a_name
from indoubt.workflow import rule_params
from indoubt.workflow.config_checks import read_config
from indoubt.workflow.plan import Plan
from tests.shared.made_up import write_cells
from tests.shared.workspace import EXPERIMENT, ROOT, SMALL, Workspace

GOOD: dict[str, Any] = {
    "learners": {"cnn": {"arch": "fconv"}},
    "experiments": [{"task": "add-or-mul", "sizes": [5], "learners": ["cnn"], "seeds": "1-4"}],
}


@pytest.mark.parametrize("key", ["updates", "batch_size", "batch-size"])
@pytest.mark.parametrize("value", [-5, 0, True, 1e1, "all", [3]])
def test_own_keys_of_a_definition_are_checked_as_the_configurations(key: str, value: object) -> None:
    with pytest.raises(UserError, match=rf"learner 'cnn': {key.replace('-', '_')}: .*(integer|equal to 1)"):
        read_config(GOOD | {"learners": {"cnn": {"arch": "fconv", key: value}}})


def test_what_own_keys_may_hold() -> None:
    own = {"arch": "fconv", "updates": 5, "batch_size": None, "user_dir": None}
    config, _ = read_config(GOOD | {"learners": {"cnn": own}})
    assert config.learners["cnn"] == own
    with pytest.raises(UserError, match="updates: it is null; leave it out"):
        read_config(GOOD | {"learners": {"cnn": own | {"updates": None}}})


@pytest.mark.parametrize(
    ("argument", "value", "allowed"),
    [
        ("lr", -1e-3, "above 0"),
        ("lr", 0, "above 0"),
        ("warmup_init_lr", -0.1, "0 or above, or -1"),
        ("warmup_updates", -5, "0 or above"),
        ("clip_norm", -25, "0 or above"),
        ("adam_eps", -1e-8, "above 0"),
        ("dropout", 1.0, "from 0 to below 1"),
        ("attention_dropout", -0.1, "from 0 to below 1"),
        ("encoder_layers", -1, "0 or above"),
        ("encoder_ffn_embed_dim", 0, "1 or above"),
        ("decoder_attention_heads", 0, "1 or above"),
    ],
)
def test_numbers_that_no_learner_learns_with_are_refused(
    learner_of: Callable[..., Learner], argument: str, value: float, allowed: str
) -> None:
    with pytest.raises(UserError, match=rf"argument '{argument}' is .*; it must be {allowed}"):
        learner_of("transformer", **{argument: value})


@pytest.mark.parametrize("value", ["nan", "inf", "1e-3 1e-4"])
def test_what_fairseqs_parser_stumbles_over_is_said_in_a_sentence(
    learner_of: Callable[..., Learner], value: str
) -> None:
    with pytest.raises(UserError, match=f"argument --lr/.*: neither a number nor a list of numbers: '{value}'"):
        learner_of("transformer", lr=value)


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ([LARGEST + 1], "the seed 4294967296 is too large; seeds are .* 0 to 4294967295"),
        (str(LARGEST + 1), "too large"),
        ("20260101-20261231, 1", None),
        ("1-4294967295", "more than 100,000 seeds"),
        ([f"{i}00000-{i}99999" for i in (1, 2)], "more than 100,000 seeds"),
    ],
)
def test_seeds_are_those_that_numpy_takes(value: object, complaint: str | None) -> None:
    if complaint is None:
        assert len(parse_seeds(value)) == 1132
        return
    with pytest.raises(ValueError, match=complaint):
        parse_seeds(value)


def test_the_largest_seed_is_one() -> None:
    np.random.RandomState(parse_seeds([LARGEST])[0])
    with pytest.raises(ValueError, match="Seed must be between"):
        np.random.RandomState(LARGEST + 1)


def plan_of(cache: Path, **experiment: Any) -> Plan:
    return Plan(GOOD | {"seeds_per_job": 10, "experiments": [GOOD["experiments"][0] | experiment]}, cache)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def test_seeds_far_apart_share_a_job_whose_name_says_which(cache: Path) -> None:
    dates = [20260101, 20260613, 20261126]
    plan = plan_of(cache, seeds=[*dates, 1, 2, 3], measures=["fpa"])
    cell = plan.cell("add-or-mul", 5, "cnn")
    (chunk,) = plan.chunks(cell)
    assert chunk.path == "seeds-1-3+20260101+20260613+20261126/blocks-0-0.jsonl"
    assert list(plan.job(cell, chunk)["seeds"]) == [1, 2, 3, *dates]
    assert plan.n_trainings(cell, chunk) == 6


def test_names_of_seeds_stay_short_and_differ() -> None:
    assert [label(s) for s in ([3], [1, 2, 3], [0, 1], [1, 2, 9])] == ["3-3", "1-3", "0-1", "1-2+9"]
    many, others = range(1, 8_000_000, 313_725), range(1, 8_000_000, 313_000)
    assert label(many).startswith("1-7843126.n26.") and len(label(many)) < 60
    assert label(many) != label([*many][:-2] + [*many][-1:]) != label(others)


def test_seed_0_is_a_seed(tmp_path: Path) -> None:
    experiment = EXPERIMENT | {"seeds": "0-1", "measures": ["fpa"]}
    config = SMALL | {"engine": "fused", "seeds_per_job": 2, "experiments": [experiment]}
    workspace = Workspace(tmp_path / "it", config)
    workspace.code = ROOT  # whose kernels are compiled already
    workspace.run("results/runs/hierar-or-linear/4/transformer.jsonl")
    assert [row["seed"] for row in workspace.rows()] == [0, 1]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("[(32,3)]", "32x3"),
        ("[(32, 3), (64, 3)]", "32x3+64x3"),
        ("[True, False]", "TruexFalse"),
        (0.5, "0.5"),
        ("a b/c", "ab-c"),
    ],
)
def test_values_are_written_so_that_a_file_can_be_called_after_them(value: object, name: str) -> None:
    assert in_a_name(value) == name


def test_a_grid_over_a_cnns_layers_has_readable_names(tmp_path: Path) -> None:
    grid = {"arch": ["fconv"], "encoder-layers": ["[(32,3)]", "[(32,3),(32,3)]", "[(32, 3)]"]}
    (tmp_path / "grid.json").write_text(json.dumps(grid))
    expanded = expand_learners(GOOD | {"learners": {"cnn": {"grid": str(tmp_path / "grid.json")}}})
    config, _ = read_config(expanded.content)
    values = {name: definition["encoder-layers"] for name, definition in config.learners.items()}
    assert values == {
        "cnn,encoder-layers=32x3": "[(32,3)]",
        "cnn,encoder-layers=32x3+32x3": "[(32,3),(32,3)]",
        "cnn,encoder-layers=32x3.2": "[(32, 3)]",
    }


def test_arguments_beyond_a_command_line_go_into_a_file_that_argparse_reads(tmp_path: Path) -> None:
    few = rule_params.words(["--job", '{"a": "it\'s"}'], tmp_path)
    assert shlex.split(few) == ["--job", '{"a": "it\'s"}'] and not list(tmp_path.iterdir())
    many = ["--runs", *(f"results/runs/a task/{number}.jsonl" for number in range(20_000))]
    said = rule_params.words(many, tmp_path)
    assert len(said) < 500 and rule_params.words(many[:-1], tmp_path) != said
    reader = (
        "import argparse; p = argparse.ArgumentParser(fromfile_prefix_chars='@'); p.add_argument('--runs', nargs='*')"
    )
    reader += "; r = p.parse_args().runs; print(len(r), r[-1])"
    command = f"{shlex.quote(sys.executable)} -c {shlex.quote(reader)} {said}"
    done = subprocess.run(command, shell=True, text=True, stdout=subprocess.PIPE, check=False)
    assert done.stdout == "20000 results/runs/a task/19999.jsonl\n"


def test_hundreds_of_learners_fit_on_command_lines(tmp_path: Path) -> None:
    """What says which they are is longer than a word of a command line may be (128 KiB)."""
    tiny = {"arch": "transformer", "encoder_layers": 0, "decoder_layers": 0, "encoder_embed_dim": 4, "optimizer": "sgd"}
    tiny |= {"encoder_attention_heads": 1, "decoder_attention_heads": 1, "lr": 0.1}
    learners = {f"{'long-' * 30}{number}": tiny for number in range(300)}
    experiment = EXPERIMENT | {"learners": list(learners), "seeds": 1, "measures": ["code_length"]}
    assert len(json.dumps(learners)) + len(json.dumps(experiment)) > 2**17
    workspace = Workspace(tmp_path / "it", SMALL | {"learners": learners, "experiments": [experiment]})
    write_cells(workspace.here / "results", [1], sizes={"hierar-or-linear": [4]}, learners=list(learners),
                tasks={"hierar-or-linear": load_tasks()["hierar-or-linear"]})  # fmt: skip
    ran = workspace.run("results/tables/provenance.json", "--allowed-rules", "aggregate", "provenance")
    assert ran == {"aggregate": 1, "provenance": 1}
    with (workspace.here / "results/tables/code_length.csv").open() as file:
        assert {row["learner"] for row in csv.DictReader(file)} == set(learners)
    expected = json.loads((workspace.here / "results/tables/expected.json").read_text())
    assert {cell["learner"] for cell in expected} == set(learners)


@pytest.mark.parametrize(
    ("experiment", "complaint"),
    [
        ({"milestones": [100, 5000]}, "milestones: 5000 is beyond the 3000 updates of learner 'cnn'"),
        ({"milestones": [0, 5]}, "milestones are different numbers of updates from 1 on"),
        ({"milestones": [5, 5]}, "milestones are different numbers of updates from 1 on"),
        ({"milestones": ["many"]}, r"experiments\[0\].milestones\[0\]: .*integer"),
        ({"milestones": [5], "measures": ["code_length"]}, "fpa is not among `measures`"),
        ({"milestones": [5], "milestone_measures": ["fpaa"]}, "'fpaa' is not allowed.*did you mean 'fpa'"),
    ],
)
def test_milestones_lie_within_the_training(cache: Path, experiment: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        plan_of(cache, **experiment)
