"""How far a run is: counted in trainings, weighed by what they are expected to cost."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from doubt.files import write_atomically
from doubt.workflow.planning.plan import Plan
from doubt.workflow.planning.steps import Look, looks_text
from doubt.workflow.standing.estimate import estimates, in_lines
from doubt.workflow.standing.progress import Progress, in_words, pending_jobs

GUESSER = {"arch": "uniform_guesser", "user_dir": "tests/shared/plugins/uniform_learner", "optimizer": "adam"}
LEARNERS = {"quick": GUESSER | {"updates": 1}, "slow": GUESSER | {"updates": 99}}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    experiment: dict[str, Any] = {"task": "add-or-mul", "sizes": [5], "seeds": 1, "measures": ["fpa"]}
    return Plan({"learners": LEARNERS, "experiments": [experiment | {"learners": ["quick", "slow"]}]}, tmp_path)


def record(ledger: Path, learner: str) -> None:
    """A finished training, as the ledger notes it; the end of the line is cut off in a second file."""
    shelf = ledger / "code" / "shelf"
    shelf.mkdir(parents=True, exist_ok=True)
    line = json.dumps({"key": learner, "note": {"task": "add-or-mul", "size": 5, "learner": learner}})
    (shelf / f"{learner}.jsonl").write_text(line + "\n" + line[:20])


def test_a_dear_training_weighs_more_than_a_cheap_one(plan: Plan, tmp_path: Path) -> None:
    outputs = [f"results/runs/{c.folder}/{chunk.path}" for c in plan.cells.values() for chunk in plan.chunks(c)]
    ledger = tmp_path / "ledger"
    progress = Progress(plan, pending_jobs(plan, [*outputs, "results/tables/fpa.csv"]), ledger)
    assert (progress.total, progress.done(), progress.seconds_left()) == (2, 0, None)
    record(ledger, "quick")
    assert progress.done() == 1
    assert progress.seconds_left() is None  # 1 % of the work
    assert progress.sentence() == "1 of 2 trainings done, estimating the time left"
    time.sleep(0.1)
    record(ledger, "slow")
    assert progress.done() == 2 and progress.seconds_left() == 0


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (40, "40 s"), (700, "12 min"), (12000, "3 h 20 min")])
def test_durations_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_steps_that_a_look_asks_for_join_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = {"task": "add-or-mul", "sizes": [5], "learners": ["quick"], "measures": ["fpa"]}
    steps = {"from": 2, "at_most": 8, "until": "sure"}
    content = {"learners": LEARNERS, "seeds_per_job": 1, "experiments": [experiment | {"seeds": steps}]}
    plan = Plan(content, tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    cell = plan.cell("add-or-mul", 5, "quick")
    outputs = [f"results/runs/{cell.folder}/{chunk.path}" for chunk in plan.trained(cell, 2)]
    progress = Progress(plan, pending_jobs(plan, outputs), Path("results/ledger"))
    assert progress.total == 2
    look = Look(2, 8, False, "mem", "fpa", 1.0, 20.0, 3)
    write_atomically(Path("results/looks/add-or-mul/1.json"), looks_text({cell.name: look}))
    assert progress.done() == 0 and progress.total == 4
    (found,) = estimates(plan, Path("results/ledger"))
    assert (found.fewest, found.n_trainings) == (2, 8)
    assert "the 8 trainings that they take at most. With the fewest, 2," in "\n".join(in_lines([found]))
