"""Signs of life: what a job writes while it runs, and what of it is there afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from indoubt.engines.progress import say
from indoubt.workflow import heartbeat as module
from indoubt.workflow.heartbeat import Part, Sign, heartbeat, signs
from tests.shared.made_modules import learner, training

JOB = {"task": "add-or-mul", "size": 5, "learner": "cnn", "seeds": [1, 2], "blocks": [0, 3]}
TRAININGS = [training(learner("mamba.Mamba", updates=10), seed, block) for seed, block in ((1, 0), (2, 1))]


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0.02)


def sign_once(folder: Path, holds: Callable[[Sign], bool]) -> Sign:
    """The job's sign, as soon as this holds of it."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        for sign in signs(folder):
            if holds(sign):
                return sign
        time.sleep(0.01)
    raise AssertionError(f"the job says {signs(folder)} still")


def test_a_sign_says_what_is_under_way(tmp_path: Path) -> None:
    with heartbeat(tmp_path, JOB):
        for done in (2, 5):
            say(TRAININGS, done)
            sign = sign_once(tmp_path, lambda sign, done=done: any(part.share == done / 10 for part in sign.parts))
            assert sign.parts == tuple(Part(each.key, each.seed, each.block, done / 10) for each in TRAININGS)
            assert (sign.state, sign.seeds, sign.blocks) == ("running", (1, 2), (0, 3))


def test_nothing_is_written_after_the_end(tmp_path: Path) -> None:
    for _ in range(20):
        with heartbeat(tmp_path, JOB):
            time.sleep(0.021)
        assert list(tmp_path.iterdir()) == []

    def fail() -> None:
        with heartbeat(tmp_path, JOB):
            say(TRAININGS, 2)
            sign_once(tmp_path, lambda sign: bool(sign.parts))
            raise RuntimeError("no luck")

    with pytest.raises(RuntimeError):
        fail()
    time.sleep(0.1)
    (sign,) = signs(tmp_path)
    assert (sign.state, sign.message, sign.parts) == ("failed", "RuntimeError: no luck", ())


def test_what_is_under_way_in_a_dead_job_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with heartbeat(tmp_path, JOB):
        say(TRAININGS, 2)
        sign_once(tmp_path, lambda sign: bool(sign.parts))
        monkeypatch.setattr(module, "DEAD_AFTER", -1.0)
        (sign,) = signs(tmp_path)
        assert (sign.state, sign.parts) == ("dead", ())
