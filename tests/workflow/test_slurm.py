"""The workflow on a real SLURM of one node with two pretended GPUs."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.shared.slurm_cluster import Cluster, reason_not_to
from tests.shared.workspace import EXPERIMENT, ROOT, ROWS, SMALL, Workspace, kill

REASON = reason_not_to()
pytestmark = [
    pytest.mark.slurm,
    pytest.mark.xdist_group("slurm"),
    pytest.mark.real_start,
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
]
#: Two jobs of 7 trainings each, long enough to be caught in the act; `auto`, so that they ask for a GPU.
TWO_JOBS = SMALL | {"device": "auto", "updates": 200, "experiments": [EXPERIMENT | {"seeds": "1-2"}]}

#: Snakemake asks SLURM about its jobs every second, where it would wait ten seconds more each time.
IMPATIENT = """
import runpy, snakemake_executor_plugin_slurm as slurm
slurm.Executor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)
runpy.run_module("snakemake", run_name="__main__", alter_sys=True)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def start(workspace: Workspace, cluster: Cluster, *words: str) -> subprocess.Popen[bytes]:
    """Snakemake with our profile; only what would make a test wait, or needs a database, is changed."""
    options = ["--workflow-profile", str(workspace.code / "profiles/slurm"), "--slurm-status-command", "squeue"]
    options += ["--latency-wait", "10"]
    workspace.program = ("-c", IMPATIENT)
    return workspace.start(*options, "--jobs", "4", *words, **cluster.environment)


def devices(workspace: Workspace) -> set[str]:
    """The GPUs that training jobs have seen, by their logs."""
    logs = "".join(path.read_text() for path in workspace.here.glob("results/logs/train/**/*.log"))
    return set(re.findall(r"CUDA_VISIBLE_DEVICES: (\S+)", logs))


def test_jobs_cancelled_and_requeued_recover(cluster: Cluster, tmp_path: Path) -> None:
    """Of two jobs on two GPUs one is cancelled and one requeued, with trainings done: none is done twice."""
    workspace = Workspace(tmp_path / "it", TWO_JOBS)
    workspace.run("data")
    snakemake = start(workspace, cluster, ROWS)
    try:
        for command in ("scancel", "scontrol requeue"):
            n_before = len(workspace.records())
            deadline = time.monotonic() + 120
            while not (running := cluster.jobs("train")) or len(workspace.records()) < n_before + 2:
                assert snakemake.poll() is None and time.monotonic() < deadline
                time.sleep(0.2)
            cluster.ask(*command.split(), running[0])
        assert snakemake.wait(240) == 0, workspace.output()
    finally:
        kill(snakemake)
    assert re.search(r"Trying to restart job \d+", workspace.output())
    assert len(workspace.records()) == 2 * 7 and not workspace.twice()
    assert devices(workspace) == {"0", "1"}
    assert not workspace.run(ROWS), "on this machine, with the cluster's results"


@pytest.mark.long
def test_the_smoke_preset_through_the_profile(cluster: Cluster, tmp_path: Path) -> None:
    preset = yaml.safe_load((ROOT / "presets/smoke.yaml").read_text())
    workspace = Workspace(tmp_path / "it", preset)
    assert start(workspace, cluster).wait() == 0, workspace.output()
    assert devices(workspace) == {"0", "1"}
    assert (workspace.here / "results/tables/fpa.csv").exists()
    assert not workspace.run()
