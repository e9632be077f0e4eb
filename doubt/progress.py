"""How far a run of the workflow is: trainings done, and the time left."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from doubt.plan import Plan

RUN_FILE = re.compile(r"results/runs/([^/]+)/(\d+)/([^/]+)/(seeds-\d+-\d+/blocks-\d+-\d+\.jsonl)")


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
            chunk = next(chunk for chunk in plan.chunks(cell) if chunk.path == match[4])
            jobs.append(PendingJob(Path(output), plan.n_trainings(cell, chunk), plan.seconds(cell, chunk)))
    return jobs


class Progress:
    """Follows pending jobs by the files that they leave; knows nothing of Snakemake."""

    def __init__(self, jobs: list[PendingJob], ledger: Path) -> None:
        self._jobs = jobs
        self._ledger = ledger
        self._started = time.time()
        self._counted: dict[Path, tuple[int, int]] = {}
        self._recorded = self._records()

    @property
    def total(self) -> int:
        """Trainings that the run has to do, or to find in the ledger."""
        return sum(job.trainings for job in self._jobs)

    def done(self) -> int:
        """Trainings done since the start, those of unfinished jobs included."""
        finished = sum(job.trainings for job in self._jobs if self._is_done(job))
        return min(max(finished, self._records() - self._recorded), self.total)

    def seconds_left(self) -> float | None:
        """Estimate of the time that remains; None as long as nothing is done.

        The rate of work so far, in expected seconds per second, goes for the rest.
        """
        expected = sum(job.seconds for job in self._jobs)
        done = sum(job.seconds for job in self._jobs if self._is_done(job))
        if done == 0 and self.done():
            done = expected * self.done() / self.total
        return None if done == 0 else (time.time() - self._started) / done * (expected - done)

    def sentence(self) -> str:
        """Trainings done and time left, in words."""
        left = self.seconds_left()
        remaining = "estimating the time left" if left is None else f"about {in_words(left)} left"
        return f"{self.done()} of {self.total} trainings done, {remaining}"

    def _is_done(self, job: PendingJob) -> bool:
        try:
            return job.path.stat().st_mtime >= self._started
        except FileNotFoundError:
            return False

    def _records(self) -> int:
        """Lines in the ledger; of each file only what is new since the last look is read."""
        for path in self._ledger.glob("*/*/*.jsonl"):
            size, lines = self._counted.get(path, (0, 0))
            if path.stat().st_size > size:
                with path.open("rb") as file:
                    file.seek(size)
                    new = file.read()
                self._counted[path] = size + len(new), lines + new.count(b"\n")
        return sum(lines for _, lines in self._counted.values())


def in_words(seconds: float) -> str:
    """A duration for people: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
