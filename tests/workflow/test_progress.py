"""How far a run is: counted in trainings, weighed by what they are expected to cost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from indoubt.files import write_atomically
from indoubt.schema.wording import time_left
from indoubt.workflow.cells import Look, looks_text
from indoubt.workflow.estimate import estimates, hours_in_words, in_lines
from indoubt.workflow.plan import Plan
from indoubt.workflow.progress import HowFar, PendingJob, Progress, pending_jobs
from indoubt.workflow.start_jobs import Starts

GUESSER = {"arch": "uniform_guesser", "user_dir": "tests/shared/plugins/uniform_learner", "optimizer": "adam"}
LEARNERS = {"quick": GUESSER | {"updates": 1}, "slow": GUESSER | {"updates": 99}}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    experiment: dict[str, Any] = {"task": "add-or-mul", "sizes": [5], "seeds": 1, "measures": ["fpa"]}
    return Plan({"learners": LEARNERS, "experiments": [experiment | {"learners": ["quick", "slow"]}]}, tmp_path)


def outputs(plan: Plan) -> list[str]:
    return [f"results/runs/{cell.folder}/{chunk.path}" for cell in plan.cells.values() for chunk in plan.chunks(cell)]


def record(results: Path, learner: str, seed: int = 1) -> None:
    """A finished training, as the ledger notes it; the end of the next line is not there yet."""
    note = {"task": "add-or-mul", "size": 5, "learner": learner, "seed": seed, "block": 0}
    line = json.dumps({"key": f"{learner} {seed}", "note": note})
    write_atomically(results / f"ledger/code/shelf/{learner}-{seed}.jsonl", line + "\n" + line[:20])


def sign(results: Path, learner: str, seeds: Sequence[int], share: float) -> None:
    """What a job says of trainings that are under way."""
    about = {"task": "add-or-mul", "size": 5, "learner": learner, "seeds": list(seeds), "blocks": [0, 0]}
    about |= {"state": "running", "host": "here", "share": share}
    parts = [[f"{learner} {seed}", seed, 0] for seed in seeds]
    write_atomically(results / f"running/{learner}.json", json.dumps(about | {"under_way": parts}))


class Clock:
    """Time, as `indoubt.workflow.progress` sees it."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now


def finish(job: PendingJob, clock: Clock) -> None:
    write_atomically(job.path, "")
    os.utime(job.path, (clock.now, clock.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("indoubt.workflow.progress.time", made)
    return made


def test_a_dear_training_weighs_more_than_a_cheap_one(plan: Plan, tmp_path: Path, clock: Clock) -> None:
    progress = Progress(plan, pending_jobs(plan, [*outputs(plan), "results/tables/fpa.csv"]), tmp_path)
    assert progress.look() == HowFar(0, 2, None)
    record(tmp_path, "quick")
    assert progress.look() == HowFar(1, 2, None)  # 1 % of the work
    assert str(progress.look()) == "1 of 2 trainings done, estimating the time left"
    clock.now += 10
    record(tmp_path, "slow")
    done = progress.look()
    assert (done.done, done.total, done.left) == (2, 2, pytest.approx(0, abs=1))


def test_starts_count_beside_what_goes_on_from_them(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records of a cell's starts name the cell, and are none of its trainings."""
    start = {"task": "hierar-or-linear", "size": 4, "rule": "linear", "updates": 5}
    about = {"task": "add-or-mul", "sizes": [5], "learners": ["after"], "seeds": "1-2", "measures": ["fpa"]}
    learners = {"after": GUESSER | {"updates": 9, "start": start}}
    plan = Plan({"learners": learners, "experiments": [about]}, tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    (of,) = Starts(plan).plans.values()
    first = [f"results/starts/{path}" for path in of.paths({1, 2})]
    jobs = pending_jobs(plan, [*first, *outputs(plan)])
    progress = Progress(plan, jobs, Path("results"))
    assert progress.total == 4 and sum(job.start for job in jobs) == len(first) == 1
    sign(Path("results"), "after", [1, 2], 0.5)
    assert progress.look().done == 1, "half of each of two starts"
    for seed in (1, 2):
        note = {"task": "add-or-mul", "size": 5, "learner": "after", "seed": seed, "block": 0, "start": True}
        line = json.dumps({"key": f"start {seed}", "note": note}) + "\n"
        write_atomically(Path(f"results/ledger/code/shelf/start-{seed}.jsonl"), line)
    (Path("results/running/after.json")).unlink()
    assert progress.look().done == 2
    finish(next(job for job in jobs if job.start), clock)
    sign(Path("results"), "after", [1, 2], 0.5)
    assert progress.look().done == 3, "and now of T"


def test_what_is_under_way_counts_in_proportion(tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one job of eight seeds, trained together: nothing jumps when half of them, and then all, are recorded."""
    experiment = {"task": "add-or-mul", "sizes": [5], "learners": ["slow"], "seeds": "1-8", "measures": ["fpa"]}
    plan = Plan({"learners": LEARNERS, "experiments": [experiment], "seeds_per_job": 8}, tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    results = Path("results")
    record(results, "slow", 8)  # of an earlier run; this one looks at it anew
    jobs = pending_jobs(plan, outputs(plan))
    progress = Progress(plan, jobs, results)
    seen = []
    for second in range(1, 21):
        clock.now += 1
        sign(results, "slow", range(1, 9), second / 20)
        seen.append(progress.look())
    assert [each.done for each in seen] == pytest.approx([8 * second / 20 for second in range(1, 21)])
    updates = 8 * plan.costs.training_seconds(jobs[0].cell, 0)  # the job's other seconds decode outputs afterwards
    at_this_rate = 20 * jobs[0].seconds / updates
    assert [each.left for each in seen] == pytest.approx([at_this_rate - second for second in range(1, 21)])
    for seed in range(1, 5):
        record(results, "slow", seed)
    assert progress.look().done == 8, "a training both under way and recorded counts once"
    (results / "running/slow.json").unlink()
    assert progress.look().done == 4, "a job that gives no sign any more has nothing under way"
    finish(jobs[0], clock)
    assert progress.look() == HowFar(8, 8, 0)


def test_what_jobs_find_in_the_ledger_is_no_work(plan: Plan, tmp_path: Path, clock: Clock) -> None:
    jobs = [replace(job, path=tmp_path / f"{job.cell.learner}.jsonl") for job in pending_jobs(plan, outputs(plan))]
    progress = Progress(plan, jobs, tmp_path)
    (quick,) = (job for job in jobs if job.cell.learner == "quick")
    clock.now += 10
    finish(quick, clock)
    assert progress.look() == HowFar(1, 2, None)
    sign(tmp_path, "slow", [1], 0.5)
    assert progress.look().left == pytest.approx(10, rel=0.05)


def test_what_other_runs_do_does_not_count(plan: Plan, tmp_path: Path) -> None:
    progress = Progress(plan, pending_jobs(plan, outputs(plan)), tmp_path)
    record(tmp_path, "quick", seed=2)
    record(tmp_path, "unknown")
    sign(tmp_path, "slow", [2, 3], 0.5)
    assert progress.look().done == 0


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (40, "40 s"), (700, "12 min"), (12000, "3 h 20 min")])
def test_durations_in_words(seconds: float, words: str) -> None:
    assert time_left(seconds) == words


@pytest.mark.parametrize(
    ("hours", "words"),
    [(0, "0.0"), (1e-6, "under 0.0001"), (0.00031, "0.00031"), (0.0432, "0.043"), (0.95, "0.95"), (1234.56, "1,234.6")],
)
def test_few_hours_are_not_none(hours: float, words: str) -> None:
    assert hours_in_words(hours) == words


def test_steps_that_a_look_asks_for_join_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = {"task": "add-or-mul", "sizes": [5], "learners": ["quick"], "measures": ["fpa"]}
    steps = {"from": 2, "at_most": 8, "until": "sure"}
    content = {"learners": LEARNERS, "seeds_per_job": 1, "experiments": [experiment | {"seeds": steps}]}
    plan = Plan(content, tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    cell = plan.cell("add-or-mul", 5, "quick")
    first = [f"results/runs/{cell.folder}/{chunk.path}" for chunk in plan.trained(cell, 2)]
    progress = Progress(plan, pending_jobs(plan, first), Path("results"))
    assert progress.total == 2
    look = Look(2, 8, False, "mem", "fpa", 1.0, 20.0, 3)
    write_atomically(Path("results/looks/add-or-mul/1.json"), looks_text({cell.name: look}))
    assert progress.look() == HowFar(0, 4, None)
    (found,) = estimates(plan, Path("results/ledger"))
    assert (found.fewest, found.n_trainings) == (2, 8)
    assert "the 8 trainings that they take at most. With the fewest, 2," in "\n".join(in_lines([found]))
