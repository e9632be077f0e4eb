"""Seeds in steps, in the real workflow: it looks, goes on where it is not sure, and stops."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from indoubt.errors import UserError
from indoubt.workflow.cells import looks_in
from indoubt.workflow.plan import Plan
from tests.shared.workspace import EXPERIMENT, SMALL, Workspace

pytestmark = pytest.mark.xdist_group("until")
STEPS = {"from": 2, "at_most": 5, "until": "sure"}
CELL = "4/transformer"


def test_it_goes_on_in_steps_where_it_is_not_sure_and_stops_at_the_most(tmp_path: Path) -> None:
    """Two updates teach nothing, so no seed follows a rule: 2, 4 and 5 seeds are looked at."""
    config = SMALL | {"experiments": [EXPERIMENT | {"seeds": STEPS, "measures": ["fpa"]}]}
    workspace = Workspace(tmp_path / "it", config)
    workspace.run("--dry-run")
    assert "checkpoint" in workspace.output() and not workspace.records()
    workspace.run("tables")
    looks = [look[CELL] for look in looks_in(workspace.here / "results/looks", "hierar-or-linear")]
    assert [(look.seeds, look.decided) for look in looks] == [(2, False), (4, False), (5, False)]
    assert {record["note"]["seed"] for record in workspace.records()} == {1, 2, 3, 4, 5} and not workspace.twice()
    with (workspace.here / "results/tables/stops.csv").open() as file:
        (stop,) = csv.DictReader(file)
    assert (stop["n_seeds"], stop["n_looks"], stop["decided"]) == ("5", "3", "False")
    with (workspace.here / "results/tables/seed_classes.csv").open() as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["1", "2", "3", "4", "5"]
    assert not workspace.run("tables")
    # where one may go on, what is there stays
    workspace.configure(SMALL | {"experiments": [EXPERIMENT | {"seeds": STEPS | {"at_most": 6}, "measures": ["fpa"]}]})
    before = len(workspace.records())
    workspace.run("tables")
    assert len(workspace.records()) == before + 1


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def plan_of(cache: Path, *experiments: dict[str, Any]) -> Plan:
    learners = {"cnn": {"arch": "fconv"}}
    basis = {"task": "add-or-mul", "sizes": [5], "learners": ["cnn"]}
    return Plan({"learners": learners, "experiments": [basis | each for each in experiments]}, cache)


@pytest.mark.parametrize(
    ("experiments", "complaint"),
    [
        ([{"seeds": STEPS | {"from": 9}}], "`from` is 9, above `at_most`, 5"),
        ([{"seeds": STEPS | {"until": "shure"}}], "'shure' is not allowed.*did you mean 'sure'"),
        ([{"seeds": STEPS | {"step": 3}}], "unknown key"),
        ([{"seeds": {"from": 2, "until": "sure"}}], "at_most: this key is missing"),
        ([{"seeds": STEPS | {"from": 0}}], "from: .*greater than or equal to 1"),
        ([{"seeds": STEPS, "candidates": ["mem"]}], r"`until: sure` asks which of several .* there is 1 \(mem\)"),
        ([{"seeds": STEPS, "candidates": ["mem", "random"]}], r"there is 1 \(mem\)"),
        ([{"seeds": STEPS}, {"seeds": "1-4"}], "give all of its seeds in one way"),
        ([{"seeds": "1-4"}, {"seeds": STEPS}], "give all of its seeds in one way"),
    ],
)
def test_steps_that_cannot_be_are_refused(cache: Path, experiments: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        plan_of(cache, *experiments)


def test_jobs_keep_steps_apart_and_rules_are_decided_by_code_length_where_it_is_taken(cache: Path) -> None:
    plan = plan_of(cache, {"seeds": {"from": 3, "at_most": 10, "until": "sure"}})
    cell = plan.cell("add-or-mul", 5, "cnn")
    ends = {chunk.seeds[-1] for chunk in plan.chunks(cell)}
    assert {3, 6, 10} <= ends
    assert {seed for chunk in plan.trained(cell, 6) for seed in chunk.seeds} == set(range(1, 7))
    assert plan.rules_in_doubt(cell) == ("code_length", ["add", "mul", "mem"])
    by_fpa = plan_of(cache, {"seeds": STEPS, "measures": ["fpa"]})
    assert by_fpa.rules_in_doubt(by_fpa.cell("add-or-mul", 5, "cnn")) == ("fpa", ["add", "mul", "mem"])
