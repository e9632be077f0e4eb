"""`indoubt run` says "up to date" of nothing that plan and ledger know nothing of."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from indoubt.data.binary import binarize
from indoubt.data.datasets import write_dataset
from indoubt.data.task import load_tasks
from indoubt.workflow.config_files import content_of
from indoubt.workflow.job import Job, Places
from indoubt.workflow.jobs import run_job
from indoubt.workflow.missing import outdated
from indoubt.workflow.plan import Plan
from tests.shared.workspace import EXPERIMENT, SMALL, Workspace, indoubt

pytestmark = pytest.mark.xdist_group("outdated")
ONE_SEED = SMALL | {"experiments": [EXPERIMENT | {"seeds": 1, "candidates": ["hierar"]}]}
TRAININGS = 4


class Made:
    """A folder with one job's rows and its cell's, as Snakemake would have made them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = self.plan_of()
        (self.cell,) = self.plan.cells.values()
        (chunk,) = self.plan.chunks(self.cell)
        self.rows = Path(f"results/runs/{self.cell.folder}/{chunk.path}")
        self.collected = Path(f"results/runs/{self.cell.folder}.jsonl")
        task = load_tasks()[self.cell.task]
        for name in self.plan.datasets(self.cell, chunk):
            write_dataset(task, self.cell.size, name, folder / "data" / name)
            binarize(folder / "data" / name, folder / "data-bin" / name)
        job = Job.from_json(json.dumps(self.plan.job(self.cell, chunk)))
        run_job(job, folder / "data-bin", Places(folder / "results/ledger"), folder / self.rows, torch.device("cpu"))
        (folder / self.collected).write_bytes((folder / self.rows).read_bytes())

    def plan_of(self, **changed: Any) -> Plan:
        return Plan(content_of([], []) | ONE_SEED | changed, self.folder / "cache")

    def outdated(self, plan: Plan | None = None, log: str = "results/logs/it.log") -> list[str]:
        about = {"log-file(s)": log, "plan": "no update"}
        summary = [{"output_file": str(self.rows), "rule": "train", **about}]
        summary.append({"output_file": str(self.collected), "rule": "collect", **about})
        return outdated(plan or self.plan, summary, Path("results"))


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.chdir(tmp_path)
    return Made(tmp_path)


def test_what_is_as_plan_and_ledger_say_is_left_alone(made: Made) -> None:
    assert made.outdated() == []


def test_rows_of_another_configuration_are_outdated_although_the_ledger_has_todays(made: Made) -> None:
    assert made.outdated(made.plan_of(updates=3)) == [str(made.rows)]
    made.plan = made.plan_of(min_len=1)
    assert made.outdated() == [str(made.rows)]


def test_rows_without_a_ledger_are_outdated(made: Made) -> None:
    (record,) = made.folder.glob("results/ledger/*/*/*.jsonl")
    lines = record.read_text().splitlines(keepends=True)
    record.write_text("".join(lines[:-1]))  # one training of it is lost
    assert made.outdated() == [str(made.rows)]


def test_rows_of_before_a_later_record_are_outdated(made: Made) -> None:
    (record,) = made.folder.glob("results/ledger/*/*/*.jsonl")
    later = json.loads(record.read_text().splitlines()[-1])
    later |= {"nats": {key: nats + 1 for key, nats in later["nats"].items()}, "time": time.time() + 1}
    (record.parent / "0-of-elsewhere.jsonl").write_text(json.dumps(later) + "\n")
    assert made.outdated() == [str(made.rows)]


def test_edited_and_missing_rows_are_outdated(made: Made) -> None:
    whole = made.rows.read_text()
    made.collected.write_text(whole.replace('"seed": 1', '"seed": 2', 1))
    assert made.outdated() == [str(made.collected)]
    made.collected.write_text(whole)
    made.rows.write_text(whole.replace('"nats": ', '"nats": 1', 1))
    assert str(made.rows) in made.outdated()
    made.rows.unlink()
    assert made.outdated() == [str(made.rows)]


def test_what_snakemake_has_no_note_of_is_made_anew_by_all_of_its_rules(made: Made) -> None:
    assert made.outdated(log="-") == ["collect", "train"]
    made.collected.unlink()
    assert made.outdated(log="-") == ["train"]


def run(workspace: Workspace) -> subprocess.Popen[str]:
    command = indoubt("run", "tables", "--cores", "2", "--configfile", "our.yaml", code=workspace.code)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=workspace.here, text=True, start_new_session=True, **pipes)  # type: ignore[call-overload]


def said(process: subprocess.Popen[str]) -> tuple[int, str]:
    text, _ = process.communicate(timeout=120)
    return process.returncode, text


def kill_training_job(workspace: Workspace, process: subprocess.Popen[str]) -> None:
    """As a kernel short of memory does: the job's process alone, as soon as it is there."""
    script = bytes(workspace.code / "scripts/trainings.py")
    while process.poll() is None:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if (path / "cmdline").read_bytes().split(b"\0")[1] == script:
                    os.kill(int(path.name), signal.SIGKILL)
                    return
            except (OSError, IndexError):
                continue
        time.sleep(0.02)
    raise AssertionError("the run ended without a training job")


@pytest.mark.long
def test_after_a_job_was_killed_the_next_run_trains_what_is_missing(tmp_path: Path) -> None:
    """Results of before are never said to be up to date, by no way of losing those of today."""
    workspace = Workspace(tmp_path / "it", ONE_SEED)
    status, text = said(run(workspace))
    assert status == 0, text
    tables = workspace.here / "results/tables/blocks.csv"
    before = tables.read_bytes()
    workspace.configure(ONE_SEED | {"updates": 3})
    killed = run(workspace)
    kill_training_job(workspace, killed)
    status, text = said(killed)
    assert status == 1 and "up to date" not in text
    assert len(workspace.records()) == TRAININGS
    status, text = said(run(workspace))
    assert status == 0 and f"{TRAININGS} trainings to do" in text and "up to date" not in text, text
    assert len(workspace.records()) == 2 * TRAININGS and tables.read_bytes() != before
    status, text = said(run(workspace))
    assert status == 0 and "Nothing to do: every result is up to date." in text, text
    shutil.rmtree(workspace.here / "results/ledger")
    status, text = said(run(workspace))
    assert status == 0 and "not what configuration and ledger say" in text and f"{TRAININGS} trainings to do" in text
    assert len(workspace.records()) == TRAININGS
