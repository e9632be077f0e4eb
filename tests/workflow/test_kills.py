"""Snakemake and its jobs killed at random moments: no finished training is lost, none is done twice."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
import yaml

from tests.shared.workspace import EXPERIMENT, ROOT, ROWS, SMALL, Workspace, kill

pytestmark = [pytest.mark.xdist_group("kills"), pytest.mark.real_start]
#: Some seconds of training: 14 trainings of 60 updates.
WORKLOAD = SMALL | {"updates": 60, "experiments": [EXPERIMENT]}


def run_and_kill(workspace: Workspace, seconds: float, number: int, *words: str) -> None:
    """Start Snakemake, kill it and all its jobs after so long, and see that nothing recorded is lost."""
    before = {record["key"] for record in workspace.records()}
    process = workspace.start(*words)
    time.sleep(seconds)
    kill(process, number)
    assert before <= {record["key"] for record in workspace.records()}
    assert not workspace.twice()


def test_two_kills_of_a_small_workload(tmp_path: Path) -> None:
    """One of all processes at once (as when a machine dies), one by SIGTERM (as when a job is pre-empted)."""
    workspace = Workspace(tmp_path / "it", WORKLOAD)
    for number in (signal.SIGKILL, signal.SIGTERM):
        n_before = len(workspace.records())
        process = workspace.start(ROWS, "--nolock")
        while len(workspace.records()) < n_before + 2:
            time.sleep(0.05)
            assert process.poll() is None
        kill(process, number)
        assert len(workspace.records()) < 14
    n_done = len(workspace.records())
    workspace.run(ROWS, "--nolock")
    assert n_done >= 4 and len(workspace.records()) == 14 and not workspace.twice()
    undisturbed = Workspace(tmp_path / "undisturbed", WORKLOAD | {"seeds_per_job": 2})
    undisturbed.run(ROWS)
    assert workspace.rows() == undisturbed.rows()


@pytest.mark.long
def test_ten_kills_of_the_smoke_preset(tmp_path: Path) -> None:
    """At random moments, the kind of kill drawn too; then the run is finished and compared with an undisturbed one."""
    preset = yaml.safe_load((ROOT / "presets/smoke.yaml").read_text()) | {"device": "cpu"}
    undisturbed = Workspace(tmp_path / "undisturbed", preset)
    started = time.monotonic()
    undisturbed.run()
    length = time.monotonic() - started
    workspace, chance = Workspace(tmp_path / "it", preset), random.Random(11)
    for _ in range(10):
        number = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        run_and_kill(workspace, chance.uniform(3, length / 4), number, "--nolock")
    workspace.run("--nolock")
    assert not workspace.twice()
    assert {record["key"] for record in workspace.records()} == {record["key"] for record in undisturbed.records()}
    assert workspace.rows() == undisturbed.rows()
    assert not workspace.run()
