"""GPU slots, with pretended devices: no two jobs ever hold one, none waits for ever, those of the dead are free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest

from indoubt.workflow.processes import gpu_slot, visible_devices
from tests.shared.workspace import ROOT

JOB = """
import os, sys, time
from indoubt.workflow.processes import gpu_slot
with gpu_slot("cuda", int(sys.argv[1])):
    start = time.monotonic()
    print("got", os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
    time.sleep(float(sys.argv[2]))
    print(start, time.monotonic(), flush=True)
"""


def job(folder: Path, devices: str, slots_per_gpu: int, seconds: float) -> subprocess.Popen[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SLURM")}
    environment |= {"CUDA_VISIBLE_DEVICES": devices, "TMPDIR": str(folder), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", JOB, str(slots_per_gpu), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def spans(jobs: list[subprocess.Popen[str]]) -> dict[str, list[tuple[float, float]]]:
    """For each device from when to when a job held it."""
    found = defaultdict(list)
    for each in jobs:
        got, span = each.communicate()[0].splitlines()
        start, end = span.split()
        found[got.removeprefix("got ")].append((float(start), float(end)))
    return found


def most_at_once(held: list[tuple[float, float]]) -> int:
    return max(sum(start <= moment < end for start, end in held) for moment, _ in held)


@pytest.mark.parametrize("slots_per_gpu", [1, 3])
def test_no_two_jobs_hold_one_slot_and_none_starves(tmp_path: Path, slots_per_gpu: int) -> None:
    found = spans([job(tmp_path, "0,GPU-5a/b", slots_per_gpu, 0.3) for _ in range(12)])
    assert set(found) == {"0", "GPU-5a/b"} and sum(map(len, found.values())) == 12
    assert all(most_at_once(held) <= slots_per_gpu for held in found.values())


def test_devices_fill_up_evenly(tmp_path: Path) -> None:
    jobs = [job(tmp_path, "0,1,2", 2, 4) for _ in range(3)]
    assert sorted(spans(jobs)) == ["0", "1", "2"]


def test_a_killed_job_frees_its_slot(tmp_path: Path) -> None:
    held = job(tmp_path, "7", 1, 60)
    assert held.stdout is not None and held.stdout.readline() == "got 7\n"
    waiting = job(tmp_path, "7", 1, 0)
    time.sleep(1)
    assert waiting.poll() is None, "two jobs hold one slot"
    held.send_signal(signal.SIGKILL)
    assert "got 7" in waiting.communicate(timeout=20)[0]
    held.wait()
    held.stdout.close()


def test_what_slurm_has_set_is_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with gpu_slot("auto", 1) as device:
        assert device is None and os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    assert not list(tmp_path.iterdir())


def test_nothing_is_done_without_gpus_or_on_the_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi
    assert visible_devices() == []
    with gpu_slot("auto", 1) as device:
        assert device is None and "CUDA_VISIBLE_DEVICES" not in os.environ
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with gpu_slot("cuda", 1) as device:
        assert device is None
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with gpu_slot("cpu", 1) as device:
        assert device is None


def test_the_drivers_devices_are_those_of_nvidia_smi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\nprintf '0\\n1\\n'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_devices() == ["0", "1"]


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        ("0,1", ["0", "1"]),
        (" 2 , 3 ", ["2", "3"]),
        ("MIG-GPU-5a/7/0,MIG-8b", ["MIG-GPU-5a/7/0", "MIG-8b"]),
        ("0,-1,1", ["0"]),
        ("0,,1", ["0"]),
        ("NoDevFiles", []),
        ("", []),
    ],
)
def test_a_list_of_devices_is_read_as_cuda_reads_it(
    monkeypatch: pytest.MonkeyPatch, given: str, seen: list[str]
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    assert visible_devices() == seen


def test_jobs_of_one_allocation_share_its_devices_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several GPUs in one allocation, in which Snakemake runs its jobs itself: each takes another."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    with ExitStack() as held:
        assert [held.enter_context(slot_of(monkeypatch, "0,1,2")) for _ in range(3)] == ["0", "1", "2"]


def slot_of(monkeypatch: pytest.MonkeyPatch, devices: str) -> AbstractContextManager[str | None]:
    """A slot as a job that sees so many devices takes it."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", devices)
    return gpu_slot("cuda", 1)


def test_steps_and_allocations_count_devices_each_for_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Device 0 of one step is another than device 0 of another: neither waits for the other."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with ExitStack() as held:
        for job_id, step in (("12", None), ("12", "0"), ("12", "1"), ("13", "0")):
            monkeypatch.setenv("SLURM_JOB_ID", job_id)
            monkeypatch.setenv("SLURM_STEP_ID", step) if step else monkeypatch.delenv("SLURM_STEP_ID", raising=False)
            assert [held.enter_context(slot_of(monkeypatch, "0,1")) for _ in range(2)] == ["0", "1"]


def test_what_slurm_names_is_taken_where_it_sets_no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_JOB_GPUS", "2,3")
    assert visible_devices() == ["2", "3"]
    monkeypatch.setenv("SLURM_STEP_GPUS", "3")
    assert visible_devices() == ["3"]
    for name in ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS"):
        monkeypatch.delenv(name)
    assert visible_devices() == []
