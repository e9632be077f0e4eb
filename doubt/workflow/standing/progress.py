"""How far a run of the workflow is: trainings done, and the time left."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from doubt.data.seeds import LABEL
from doubt.workflow.planning.plan import Plan
from doubt.workflow.planning.steps import looks_in, reached

RUN_FILE = re.compile(rf"results/runs/([^/]+)/(\d+)/([^/]+)/(seeds-{LABEL}/blocks-\d+-\d+\.jsonl)")


@dataclass(frozen=True)
class PendingJob:
    """A training job that a run will do: its file, its number of trainings, its expected seconds on one core."""

    path: Path
    trainings: int
    seconds: float


def pending_jobs(plan: Plan, outputs: Iterable[str]) -> list[PendingJob]:
    """The training jobs among the output files that Snakemake says it will write."""
    jobs = []
    for output in outputs:
        match = RUN_FILE.fullmatch(output)
        if match:
            cell = plan.cell(match[1], match[2], match[3])
            chunk = plan.chunk(cell, match[4])
            jobs.append(PendingJob(Path(output), plan.n_trainings(cell, chunk), plan.seconds(cell, chunk)))
    return jobs


class Progress:
    """Follows pending jobs by what they leave, rows and ledger records; knows nothing of Snakemake.

    Args:
        plan: what is being run.
        jobs: the training jobs that the run has to do.
        ledger: where their trainings are recorded as they finish.
    """

    def __init__(self, plan: Plan, jobs: list[PendingJob], ledger: Path) -> None:
        self._plan = plan
        self._jobs = list(jobs)
        self._ledger = ledger
        self._started = time.time()
        self._read_up_to: dict[Path, int] = {}
        self._trainings, self._seconds = 0, 0.0
        self._read_ledger()
        self._before = self._trainings, self._seconds

    @property
    def total(self) -> int:
        """Trainings that the run has to do, or to find in the ledger."""
        return sum(job.trainings for job in self._jobs)

    def done(self) -> int:
        """Trainings done since the start, those of unfinished jobs included."""
        self._read_ledger()
        finished = sum(job.trainings for job in self._jobs if self._is_done(job))
        return min(max(finished, self._trainings - self._before[0]), self.total)

    def seconds_left(self) -> float | None:
        """Estimate of the time that remains; None until 3 % of the work is done.

        The rate of work so far, in expected seconds per second, goes for the rest.
        """
        self._read_ledger()
        expected = sum(job.seconds for job in self._jobs)
        finished = sum(job.seconds for job in self._jobs if self._is_done(job))
        done = min(max(finished, self._seconds - self._before[1]), expected)
        return None if done < 0.03 * expected else (time.time() - self._started) / done * (expected - done)

    def sentence(self) -> str:
        """Trainings done and time left, in words."""
        left = self.seconds_left()
        remaining = "estimating the time left" if left is None else f"about {in_words(left)} left"
        return f"{self.done()} of {self.total} trainings done, {remaining}"

    def _take_next_steps(self) -> None:
        """Add the jobs of seeds in steps that a look has asked for since the start."""
        known = {job.path for job in self._jobs}
        results = self._ledger.parent
        for cell in self._plan.cells.values():
            if cell.until is None:
                continue
            looks = [look for look in looks_in(results / "looks", cell.task) if cell.name in look]
            for chunk in self._plan.trained(cell, reached(cell.until, cell.name, looks)):
                path = results / "runs" / cell.folder / chunk.path
                if path not in known and not path.exists():
                    n, seconds = self._plan.n_trainings(cell, chunk), self._plan.seconds(cell, chunk)
                    self._jobs.append(PendingJob(path, n, seconds))

    def _is_done(self, job: PendingJob) -> bool:
        try:
            return job.path.stat().st_mtime >= self._started
        except FileNotFoundError:
            return False

    def _read_ledger(self) -> None:
        """Count the ledger's records and their expected seconds; of each file only what is new since the last look."""
        self._take_next_steps()
        for path in self._ledger.glob("*/*/*.jsonl"):
            with path.open("rb") as file:
                file.seek(self._read_up_to.get(path, 0))
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read_up_to[path] = self._read_up_to.get(path, 0) + len(whole)
            for line in whole.splitlines():
                self._trainings += 1
                self._seconds += self._expected(line)

    def _expected(self, line: bytes) -> float:
        """Expected seconds of the training that a record is of; 0 where the plan has no such cell."""
        try:
            note = json.loads(line)["note"]
            cell = self._plan.cell(note["task"], note["size"], note["learner"])
            return self._plan.training_seconds(cell, note["block"])
        except (ValueError, KeyError, TypeError):
            return 0.0


def in_words(seconds: float) -> str:
    """A duration for people: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
