"""A copy of the repository and a folder to run it in: for tests that run Snakemake and change code or config."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
CODE = ("indoubt", "scripts", "rules", "tasks", "learners", "presets", "profiles", "envs", "Snakefile", "config.yaml")
#: One cheap learner on the smallest task: 7 trainings per seed.
EXPERIMENT = {"task": "hierar-or-linear", "sizes": [4], "learners": ["transformer"], "seeds": "1-2"}
SMALL = {
    "engine": "fairseq",
    "device": "cpu",
    "updates": 2,
    "seeds_per_job": 1,
    "blocks_per_job": 100,
    "experiments": [EXPERIMENT],
}
#: All trainings of a cell; what follows them (tables, figures) takes longer than they do.
ROWS = "results/runs/hierar-or-linear/4/transformer.jsonl"


def indoubt(*words: object, code: Path = ROOT) -> list[str]:
    """The command `indoubt` of a copy of the code, from whatever folder it is run in."""
    program = f"import sys; sys.path.insert(0, {str(code)!r}); from indoubt.command.main import main; main()"
    return [sys.executable, "-c", program, *map(str, words)]


class Workspace:
    """A copy of the code in `folder/code` and the folder `folder/here` in which Snakemake runs."""

    #: How Python is told to run Snakemake.
    program: tuple[str, str] = ("-m", "snakemake")

    def __init__(self, folder: Path, config: dict[str, Any] | None = None) -> None:
        self.folder, self.code, self.here = folder, folder / "code", folder / "here"
        self.here.mkdir(parents=True)
        self.code.mkdir()
        ignored = shutil.ignore_patterns("__pycache__")
        for name in CODE:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.code / name, **({"ignore": ignored} if (ROOT / name).is_dir() else {}))
        self.configure(config or SMALL)

    def copy(self, folder: Path) -> Workspace:
        """The same code, configuration and results elsewhere, with their times, as if moved."""
        shutil.copytree(self.folder, folder)
        other = object.__new__(Workspace)
        other.folder, other.code, other.here = folder, folder / "code", folder / "here"
        return other

    def configure(self, config: dict[str, Any]) -> None:
        (self.here / "our.yaml").write_text(yaml.safe_dump(config))

    def command(self, *words: str) -> list[str]:
        snakemake = [sys.executable, *self.program, *words, "--snakefile", str(self.code / "Snakefile")]
        if not any(word.startswith(("--cores", "--jobs")) for word in words):
            snakemake += ["--cores", "2"]
        if not any(word.startswith("--workflow-profile") for word in words):
            snakemake += ["--workflow-profile", "none", "--rerun-incomplete"]
        return [*snakemake, "--configfile", "our.yaml", "--nocolor"]

    def run(self, *words: str, succeeds: bool = True, **environment: str) -> Counter[str]:
        """Run Snakemake; returns how many jobs of each rule it ran."""
        process = self.start(*words, **environment)
        process.wait()
        assert (process.returncode == 0) == succeeds, self.output()
        return Counter(re.findall(r"^(?:local)?rule (\w+):$", self.output(), flags=re.MULTILINE))

    def start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start Snakemake in a session of its own, whose processes `kill` ends."""
        with (self.folder / "output.txt").open("wb") as output:
            return subprocess.Popen(
                self.command(*words),
                cwd=self.here,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"} | environment,
            )

    def output(self) -> str:
        """What the last Snakemake has printed."""
        return (self.folder / "output.txt").read_text()

    def records(self) -> list[dict[str, Any]]:
        """All whole lines of the ledger: one for each training executed."""
        found = []
        for path in self.here.glob("results/ledger/*/*/*.jsonl"):
            for line in path.read_text().splitlines():
                try:
                    found.append(json.loads(line))
                except ValueError:
                    continue
        return found

    def twice(self) -> list[str]:
        """Trainings that were executed again after they had been recorded."""
        return [key for key, n in Counter(record["key"] for record in self.records()).items() if n > 1]

    def rows(self) -> list[dict[str, Any]]:
        """What was measured, without what differs from run to run."""
        rows = [json.loads(line) for line in (self.here / ROWS).read_text().splitlines()]
        return [{key: value for key, value in row.items() if key not in ("seconds", "host")} for row in rows]


def kill(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
    """Signal a whole session that `start` began, jobs included, and wait for its end."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
