"""The paper's grid: how long Snakemake takes to plan it, in how much memory, and what parsing imports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from indoubt.workflow.plan import Plan
from tests.shared.workspace import ROOT

pytestmark = pytest.mark.real_start
PAPER = yaml.safe_load((ROOT / "presets/paper.yaml").read_text())
DRY_RUN = ["--dry-run", "--quiet", "all", "--cores", "2", "--configfile", "it.yaml"]


def dry_run(folder: Path, config: dict[str, Any]) -> tuple[float, float]:
    """Seconds of processor time and GB of memory that a dry run takes; other work may keep this machine busy."""
    (folder / "it.yaml").write_text(yaml.safe_dump(config))
    Plan(yaml.safe_load((ROOT / "config.yaml").read_text()) | config, folder / "results/.cache")
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *DRY_RUN]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        _, status, used = os.wait4(process.pid, 0)  # of this process and its own children alone
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (folder / "output.txt").read_text()
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20


def n_jobs(config: dict[str, Any], cache: Path) -> int:
    plan = Plan(yaml.safe_load((ROOT / "config.yaml").read_text()) | config, cache)
    return sum(len(plan.chunks(cell)) for cell in plan.cells.values())


def test_the_grid_at_its_own_chunking(tmp_path: Path) -> None:
    assert n_jobs(PAPER, tmp_path / "results/.cache") < 1900  # and some for data, tables and figures
    seconds, _ = dry_run(tmp_path, PAPER)
    assert seconds < 20


@pytest.mark.long
def test_ten_thousand_jobs(tmp_path: Path) -> None:
    """A sixth of the grid, at one job per seed and block."""
    config = PAPER | {"seeds_per_job": 1, "blocks_per_job": 1}
    experiments = [experiment | {"seeds": "1-18"} for experiment in PAPER["experiments"]]
    config |= {"experiments": experiments}
    assert n_jobs(config, tmp_path / "results/.cache") > 10_000
    seconds, gigabytes = dry_run(tmp_path, config)
    assert seconds < 60 and gigabytes < 1.5


@pytest.mark.long
def test_the_grid_at_one_job_per_training(tmp_path: Path) -> None:
    seconds, gigabytes = dry_run(tmp_path, PAPER | {"seeds_per_job": 1, "blocks_per_job": 1})
    assert seconds < 180 and gigabytes < 4


PARSE = """
import sys, time
from pathlib import Path
start = time.process_time()
import yaml
from indoubt.workflow.plan import Plan
content = [yaml.safe_load(Path(path).read_text()) for path in ("config.yaml", "presets/paper.yaml")]
plan = Plan(content[0] | content[1], Path(sys.argv[1]))
for cell in plan.cells.values():
    plan.chunks(cell)
print(time.process_time() - start, sorted({"torch", "fairseq", "pandas"} & set(sys.modules)))
"""


def test_parsing_takes_less_than_a_second_and_imports_nothing_large(tmp_path: Path) -> None:
    """After the first time, which has fairseq's own parser read the learners."""
    for _ in range(2):
        command = [sys.executable, "-c", PARSE, str(tmp_path)]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        seconds, imported = done.stdout.split(maxsplit=1)
    assert float(seconds) < 1 and imported.strip() == "[]"


def test_snakemake_itself_imports_nothing_large(tmp_path: Path) -> None:
    """As each job on a cluster does, with the whole Snakefile. (pandas comes with Snakemake's own SLURM plugin.)"""
    (tmp_path / "it.yaml").write_text(yaml.safe_dump(PAPER))
    command = [sys.executable, "-X", "importtime", "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--list-rules", "--configfile", "it.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ,
    )
    assert done.returncode == 0 and time.monotonic() - started < 60
    imported = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if line.startswith("import time")}
    assert "indoubt.workflow.plan" in imported and not imported & {"torch", "fairseq"}


def test_jobs_of_a_wanted_duration(tmp_path: Path) -> None:
    """Jobs take about as long as wanted, hold each training once, and do not depend on how many seeds there are."""
    config = PAPER | {"seeds_per_job": None, "blocks_per_job": None, "job_minutes": 90, "engine": "fairseq"}

    def plan_of(**changed: Any) -> Plan:
        return Plan(yaml.safe_load((ROOT / "config.yaml").read_text()) | config | changed, tmp_path)

    plan = plan_of()
    jobs = [(cell, chunk) for cell in plan.cells.values() for chunk in plan.chunks(cell)]
    assert sum(plan.n_trainings(cell, chunk) for cell, chunk in jobs) == 128_000
    minutes = sorted(plan.seconds(cell, chunk) / 60 for cell, chunk in jobs)
    assert minutes[-1] < 91 and minutes[len(minutes) // 4] > 35
    few = [experiment | {"seeds": "1-40"} for experiment in PAPER["experiments"]]
    fewer = plan_of(experiments=few)
    for cell in fewer.cells.values():
        at_a_time, _ = fewer.seeds_and_blocks_per_job(cell)
        full = [chunk.path for chunk in fewer.chunks(cell) if len(chunk.seeds) == at_a_time]
        assert set(full) <= {chunk.path for chunk in plan.chunks(plan.cells[cell.task, cell.size, cell.learner])}
    one = plan_of(seeds_per_job=1, blocks_per_job=1)
    assert sum(len(one.chunks(cell)) for cell in one.cells.values()) == 56_000
    chained = plan_of(protocol="released")
    for cell in chained.cells.values():
        assert all(chunk.blocks[0] == 0 for chunk in chained.chunks(cell))
