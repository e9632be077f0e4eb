"""Cells and jobs: the numbers of trainings that the paper's grid has, and how jobs cut it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from indoubt.workflow.plan import Plan
from tests.shared.workspace import ROOT


def plan_of(cache: Path, **changed: Any) -> Plan:
    return Plan(yaml.safe_load((ROOT / "config.yaml").read_text()) | changed, cache)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def n_trainings(plan: Plan) -> int:
    return sum(plan.n_trainings(cell, chunk) for cell in plan.cells.values() for chunk in plan.chunks(cell))


@pytest.mark.parametrize(
    ("task", "size", "expected"),
    [
        ("count-or-mem", 10, 39),
        ("add-or-mul", 5, 16),
        ("hierar-or-linear", 4, 7),
        ("comp-or-mem", 5, 11),
        ("comp-or-mem", 10, 26),
        ("comp-or-mem", 20, 56),
    ],
)
def test_trainings_per_learner_and_seed(cache: Path, task: str, size: int, expected: int) -> None:
    experiment = {"task": task, "sizes": [size], "learners": ["transformer"], "seeds": 1}
    assert n_trainings(plan_of(cache, experiments=[experiment], engine="fairseq")) == expected
    chunked = plan_of(cache, experiments=[experiment], seeds_per_job=10, blocks_per_job=3)
    assert n_trainings(chunked) == expected


@pytest.mark.parametrize(("preset", "expected"), [("small", 6_400), ("paper", 128_000)])
def test_trainings_of_the_presets(cache: Path, preset: str, expected: int) -> None:
    assert n_trainings(plan_of(cache, **yaml.safe_load((ROOT / f"presets/{preset}.yaml").read_text()))) == expected


EXPERIMENT = {"task": "add-or-mul", "sizes": [5], "learners": ["transformer"], "seeds": "1-3"}
#: One job per seed and block is the reference engine's default.
REFERENCE = {"engine": "fairseq"}


def paths(plan: Plan) -> set[str]:
    return {f"{cell.folder}/{chunk.path}" for cell in plan.cells.values() for chunk in plan.chunks(cell)}


def test_one_job_per_seed_and_block_by_default(cache: Path) -> None:
    found = paths(plan_of(cache, **REFERENCE, experiments=[EXPERIMENT]))
    folder = "add-or-mul/5/transformer"
    assert found == {f"{folder}/seeds-{s}-{s}/blocks-{b}-{b}.jsonl" for s in (1, 2, 3) for b in range(6)}


def test_fpa_alone_needs_block_0_alone(cache: Path) -> None:
    plan = plan_of(cache, **REFERENCE, experiments=[EXPERIMENT | {"measures": ["fpa"]}])
    assert {path.rsplit("/", 1)[1] for path in paths(plan)} == {"blocks-0-0.jsonl"}
    assert n_trainings(plan) == 3


def test_more_seeds_leave_full_jobs_as_they_are(cache: Path) -> None:
    few = plan_of(cache, **REFERENCE, experiments=[EXPERIMENT | {"seeds": "1-4"}], seeds_per_job=2)
    more = plan_of(cache, **REFERENCE, experiments=[EXPERIMENT | {"seeds": "1-7"}], seeds_per_job=2)
    assert paths(few) < paths(more)
    cell = few.cell("add-or-mul", 5, "transformer")
    other = more.cell("add-or-mul", 5, "transformer")
    for chunk in few.chunks(cell):
        assert few.job(cell, chunk) == more.job(other, chunk)


def test_what_several_experiments_ask_is_put_together(cache: Path) -> None:
    both = [EXPERIMENT | {"measures": ["fpa"]}, EXPERIMENT | {"seeds": [3, 9], "candidates": ["mem"]}]
    cell = plan_of(cache, **REFERENCE, experiments=both).cell("add-or-mul", "5", "transformer")
    assert cell.seeds == {1: ["fpa"], 2: ["fpa"], 3: ["fpa", "mem"], 9: ["fpa", "mem"]}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("one", "other", "wanted"),
    [
        ({"candidates": ["add"]}, {"candidates": ["mem"]}, ["fpa", "add", "mem"]),
        ({"measures": ["fpa"]}, {"measures": ["code_length"], "candidates": ["mul"]}, ["fpa", "mul"]),
        ({"candidates": ["add", "mem"]}, {"measures": ["fpa"]}, ["fpa", "add", "mem"]),
    ],
)
def test_nothing_that_any_experiment_asks_of_a_seed_is_forgotten(
    cache: Path, one: dict[str, Any], other: dict[str, Any], wanted: list[str], swapped: bool
) -> None:
    """In either order, and whether or not one asks for what the other does."""
    both = [EXPERIMENT | one, EXPERIMENT | other | {"seeds": [3, 9]}]
    plan = plan_of(cache, **REFERENCE, experiments=both[::-1] if swapped else both)
    cell = plan.cell("add-or-mul", 5, "transformer")
    assert cell.seeds[3] == wanted
    chunk = next(chunk for chunk in plan.chunks(cell) if chunk.seeds == (3,) and chunk.blocks == (0, 0))
    job = plan.job(cell, chunk)
    assert job["seeds"] == {3: wanted} and set(job["examples"]) == {"fpa", "add", "mul", "mem"}  # T scores all rules


def test_a_chain_is_one_job(cache: Path) -> None:
    plan = plan_of(cache, **REFERENCE, experiments=[EXPERIMENT], protocol="released")
    assert {path.rsplit("/", 1)[1] for path in paths(plan)} == {"blocks-0-5.jsonl"}
    assert n_trainings(plan) == 3 * (3 * 6 + 1)
    drawn = plan_of(cache, **REFERENCE, experiments=[EXPERIMENT], rng_streams="released", batch_size=4)
    assert {path.rsplit("/", 1)[1] for path in paths(drawn)} == {"blocks-0-5.jsonl"}


def test_engine_fused_takes_many_trainings_into_a_job(cache: Path) -> None:
    fused = plan_of(cache, experiments=[EXPERIMENT | {"seeds": "1-100"}])
    one_by_one = plan_of(cache, **REFERENCE, experiments=[EXPERIMENT | {"seeds": "1-100"}])
    assert n_trainings(fused) == n_trainings(one_by_one) == 1600
    assert len(paths(one_by_one)) == 600
    assert len(paths(fused)) < 60


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"batch_size": 4, "rng_streams": "released"}, "rng_streams 'released'"),
        ({"protocol": "released"}, "rng_streams 'released'"),
    ],
)
def test_what_has_no_fused_form_is_trained_by_fairseq_with_a_notice(
    cache: Path, changed: dict[str, Any], reason: str
) -> None:
    plan = plan_of(cache, experiments=[EXPERIMENT], **changed)
    assert plan.engine("transformer") == "fairseq"
    (notice,) = plan.notices()
    assert notice.startswith("transformer: trained by engine fairseq, since") and reason in notice
    assert plan_of(cache, experiments=[EXPERIMENT]).notices() == []


def test_what_is_done_soon_comes_first_and_then_the_longest(cache: Path) -> None:
    """A first answer soon; and no core is left with nothing to do while another begins the longest cell."""
    sizes = {"transformer": [5, 20], "lstm": [5, 20]}
    experiments = [
        {"task": "add-or-mul", "sizes": sizes[name], "learners": [name], "seeds": "1-12", "measures": ["fpa"]}
        for name in sizes
    ]
    plan = plan_of(cache, experiments=experiments)
    order = sorted(plan.cells.values(), key=plan.priority, reverse=True)
    assert [(cell.learner, cell.size) for cell in order] == [
        *[("transformer", 5), ("transformer", 20)],
        *[("lstm", 20), ("lstm", 5)],
    ]
