"""Seeds that can reach no verdict are told before they are trained."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from indoubt.statistics.reach import out_of_reach
from indoubt.workflow.plan import Plan
from tests.shared.workspace import ROOT, indoubt

CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))


def said(folder: Path, *experiments: dict[str, Any]) -> list[str]:
    return out_of_reach(Plan(CONFIG | {"experiments": list(experiments)}, folder))


def experiment(task: str, seeds: Any, **more: Any) -> dict[str, Any]:
    return {"task": task, "sizes": [5], "learners": ["transformer"], "seeds": seeds, "measures": ["fpa"]} | more


@pytest.mark.parametrize(("seeds", "few"), [("1-7", True), ("1-8", False)])
def test_three_pairs_need_eight_seeds(tmp_path: Path, seeds: str, few: bool) -> None:
    """The smallest two-sided p of seven seeds is 2 / 2^7 = .016, times three .047; of three pairs that is enough."""
    found = said(tmp_path, experiment("add-or-mul", seeds, learners=["transformer", "cnn"]))  # six pairs: .094
    assert bool(found) == few
    if few:
        assert found == [
            "add-or-mul: no rule can be preferred by FPA with fewer than 8 seeds, since 6 pairs of rules (of all "
            "learners and sizes of the task) are corrected together; too few: 5/cnn (7), 5/transformer (7)."
        ]
    assert not said(tmp_path, experiment("add-or-mul", "1-7"))


def test_each_measure_and_each_task_for_itself(tmp_path: Path) -> None:
    both = experiment("add-or-mul", "1-6", measures=["fpa", "code_length"])
    found = said(tmp_path, both, experiment("count-or-mem", "1-6", sizes=[10]))
    assert [line.split(" with ")[0] for line in found] == [
        "add-or-mul: no rule can be preferred by FPA",
        "add-or-mul: no rule can be preferred by code length",
    ]
    assert said(tmp_path, experiment("count-or-mem", "1-5", sizes=[10]))[0].endswith("too few: 10/transformer (5).")


def test_what_is_decided_in_steps_is_not_told_but_counts(tmp_path: Path) -> None:
    steps = experiment("add-or-mul", {"from": 2, "at_most": 100, "until": "sure"}, learners=["cnn"])
    assert said(tmp_path, steps) == []
    (line,) = said(tmp_path, steps, experiment("add-or-mul", "1-7"))
    assert "since 6 pairs" in line and line.endswith("too few: 5/transformer (7).")


def steps(at_most: int) -> dict[str, Any]:
    return {"from": 2, "at_most": at_most, "until": "sure"}


@pytest.mark.parametrize(
    ("task", "measures", "reaches"),
    [
        ("count-or-mem", ["fpa"], 8),  # 2^8 / 9 = 28, 2^7 / 8 = 16
        ("add-or-mul", ["fpa"], 9),  # of three rules two have no more than half: the mean of 28 and 2^4 / 5 is below 20
        ("add-or-mul", ["code_length"], 8),  # codes may have one order in all seeds: all three pairs have 28
    ],
)
def test_steps_that_can_never_be_sure_are_told(tmp_path: Path, task: str, measures: list[str], reaches: int) -> None:
    few = experiment(task, steps(reaches - 1), sizes=[10], measures=measures)
    measure = {"fpa": "FPA", "code_length": "code length"}[measures[0]]
    assert said(tmp_path, few) == [
        f"{task}: however many agree, so few seeds make no rule sure by {measure} (an e-value of 20 is needed): "
        f"10/transformer ({reaches - 1}); raise `at_most`."
    ]
    assert said(tmp_path, experiment(task, steps(reaches), sizes=[10], measures=measures)) == []


def test_steps_take_part_in_their_own_correction_alone(tmp_path: Path) -> None:
    """Eight seeds in steps can be sure beside cells that are not, where the fixed-n test of all takes nine.

    Beside a cell in steps that has two seeds at most they cannot: the mean of 28 and 2^2 / 3 is below 20.
    """
    eight = experiment("count-or-mem", steps(8), sizes=[10])
    rest = {"sizes": [20, 30, 40], "learners": ["cnn", "transformer"]}
    assert said(tmp_path, eight, experiment("count-or-mem", "1-9", **rest)) == []
    (line,) = said(tmp_path, eight, experiment("count-or-mem", steps(2), sizes=[20]))
    assert "10/transformer (8), 20/transformer (2); raise" in line


def test_many_cells_are_not_all_named(tmp_path: Path) -> None:
    sizes = experiment("add-or-mul", "1-4", sizes=[5, 10, 15, 20], learners=["cnn", "transformer"])
    (line,) = said(tmp_path, sizes)
    assert line.endswith("too few: 5/cnn (4), 5/transformer (4), 10/cnn (4), 5 more.")


@pytest.mark.parametrize("name", ["estimate", "plan"])
def test_plan_and_estimate_say_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "few.yaml").write_text(yaml.safe_dump({"experiments": [experiment("add-or-mul", "1-4")]}))
    command = indoubt(name, "--configfile", "few.yaml")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "no rule can be preferred by FPA with fewer than 7 seeds" in done.stdout
