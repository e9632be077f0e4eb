"""How far a run of the workflow is: trainings done, the time left, and which jobs failed and why."""

from __future__ import annotations

import json
import re
import signal
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from indoubt.data.seeds import LABEL
from indoubt.schema.wording import time_left
from indoubt.workflow.cells import CellPlan, looks_in, reached
from indoubt.workflow.heartbeat import Sign, signs
from indoubt.workflow.plan import Chunk, Plan
from indoubt.workflow.start_jobs import Starts

RUN_FILE = re.compile(rf"results/runs/([^/]+)/(\d+)/([^/]+)/(seeds-{LABEL}/blocks-\d+-\d+\.jsonl)")
START_FILE = re.compile(rf"results/starts/([^/]+)/seeds-({LABEL})\.jsonl")


@dataclass(frozen=True)
class PendingJob:
    """A training job that a run will do, its file, its number of trainings, its expected seconds on one core.

    Of a job that trains what others go on from (`start`), `cell` is the one that it is done for.
    """

    cell: CellPlan
    chunk: Chunk
    path: Path
    trainings: int
    seconds: float
    start: bool = False


def pending_jobs(plan: Plan, outputs: Iterable[str]) -> list[PendingJob]:
    """The training jobs among the output files that Snakemake says it will write."""
    jobs, starts = [], Starts(plan)
    for output in outputs:
        match = RUN_FILE.fullmatch(output)
        if match:
            cell = plan.cell(match[1], match[2], match[3])
            jobs.append(_pending(plan, cell, plan.chunk(cell, match[4]), Path(output)))
        match = START_FILE.fullmatch(output)
        if match:
            about, seeds = starts.plans[match[1]], starts.chunk(match[1], match[2])
            trainings, seconds = starts.trainings_of_a_seed(about), starts.seconds_of_a_seed(about)
            whole = Chunk(seeds, (0, 0))
            jobs.append(
                PendingJob(about.cell, whole, Path(output), trainings * len(seeds), seconds * len(seeds), start=True)
            )
    return jobs


def _pending(plan: Plan, cell: CellPlan, chunk: Chunk, path: Path) -> PendingJob:
    return PendingJob(cell, chunk, path, plan.n_trainings(cell, chunk), plan.seconds(cell, chunk))


@dataclass(frozen=True)
class HowFar:
    """How far a run is at one moment.

    Attributes:
        done: trainings done of `total`, of those under way their share; a job that is finished counts as a whole.
        left: estimate of the seconds that remain; None until 3 % of the work is done.
    """

    done: float
    total: int
    left: float | None

    def __str__(self) -> str:
        left = "estimating the time left" if self.left is None else f"about {time_left(self.left)} left"
        return f"{int(self.done)} of {self.total} trainings done, {left}"


@dataclass
class _Done:
    """Trainings of a job, and their expected seconds."""

    trainings: float = 0.0
    seconds: float = 0.0

    def add(self, share: float, seconds: float) -> None:
        self.trainings += share
        self.seconds += share * seconds


class Progress:
    """Follows pending jobs by what they leave: rows, ledger records, signs of life; knows nothing of Snakemake.

    Args:
        plan: what is being run.
        jobs: the training jobs that the run has to do.
        results: the folder in which they do it.
    """

    def __init__(self, plan: Plan, jobs: list[PendingJob], results: Path) -> None:
        self._plan, self._results = plan, results
        self._started = time.time()
        self._jobs: list[PendingJob] = []
        self._of_seed: dict[tuple[str, int, str, int, bool], list[PendingJob]] = defaultdict(list)
        for job in jobs:
            self._take(job)
        #: By job, what has been recorded since the start; and the keys of all that has.
        self._recorded: dict[Path, _Done] = defaultdict(_Done)
        self._keys: set[str] = set()
        self._read_up_to = {path: path.stat().st_size for path in self._records()}

    @property
    def total(self) -> int:
        """Trainings that the run has to do, or to find in the ledger."""
        return sum(job.trainings for job in self._jobs)

    def look(self) -> HowFar:
        """How far the run is now.

        The rate of work so far, in expected seconds per second, goes for the rest. What a job finds in the ledger is no
        work.
        """
        self._take_next_steps()
        seen = signs(self._results / "running")  # before the ledger: what ends in between is in both and counts once
        self._read_ledger()
        under_way = self._under_way(seen)
        done = work = left = 0.0
        for job in self._jobs:
            recorded, now = self._recorded[job.path], under_way[job.path]
            work += recorded.seconds
            if self._is_done(job):
                done += job.trainings
                continue
            done += min(recorded.trainings + now.trainings, job.trainings)
            work += now.seconds
            left += max(job.seconds - recorded.seconds - now.seconds, 0.0)
        if work < 0.03 * (work + left):
            return HowFar(done, self.total, None)
        return HowFar(done, self.total, (time.time() - self._started) / work * left if left else 0.0)

    def _take(self, job: PendingJob) -> None:
        self._jobs.append(job)
        for seed in job.chunk.seeds:
            self._of_seed[job.cell.task, job.cell.size, job.cell.learner, seed, job.start].append(job)

    def _take_next_steps(self) -> None:
        """Add the jobs of seeds in steps that a look has asked for since the start."""
        known = {job.path for job in self._jobs}
        for cell in self._plan.cells.values():
            if cell.until is None:
                continue
            looks = [look for look in looks_in(self._results / "looks", cell.task) if cell.name in look]
            for chunk in self._plan.trained(cell, reached(cell.until, cell.name, looks)):
                path = self._results / "runs" / cell.folder / chunk.path
                if path not in known and not path.exists():
                    self._take(_pending(self._plan, cell, chunk, path))

    def _is_done(self, job: PendingJob) -> bool:
        try:
            return job.path.stat().st_mtime >= self._started
        except FileNotFoundError:
            return False

    def _records(self) -> Iterator[Path]:
        return (self._results / "ledger").glob("*/*/*.jsonl")

    def _read_ledger(self) -> None:
        """Count the ledger's records for their jobs; of each file only what is new since the last look."""
        for path in self._records():
            with path.open("rb") as file:
                file.seek(self._read_up_to.get(path, 0))
                new = file.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._read_up_to[path] = self._read_up_to.get(path, 0) + len(whole)
            for line in whole.splitlines():
                self._count(line)

    def _count(self, line: bytes) -> None:
        """Count a record, if it is of one of the jobs."""
        try:
            record = json.loads(line)
            key, note, decoded = record["key"], record["note"], bool(record.get("outputs"))
            start = bool(note.get("start"))
            job = self._job(note["task"], note["size"], note["learner"], note["seed"], note["block"], start)
        except (ValueError, KeyError, TypeError):
            return
        if job is not None and key not in self._keys:
            self._keys.add(key)
            self._recorded[job.path].add(1.0, self._seconds(job, note["block"], decoded))

    def _under_way(self, seen: Iterable[Sign]) -> dict[Path, _Done]:
        """By job, what is under way in it and not yet recorded, each training by the share of its updates."""
        found: dict[Path, _Done] = defaultdict(_Done)
        for sign in seen:
            for part in sign.parts:
                about = sign.task, sign.size, sign.learner, part.seed, part.block
                before = self._job(*about, start=True)  # while it is not done, nothing that goes on from it is begun
                job = before if before is not None and not self._is_done(before) else self._job(*about, start=False)
                if job is not None and part.key not in self._keys:
                    found[job.path].add(part.share, self._seconds(job, part.block))
        return found

    def _seconds(self, job: PendingJob, block: int, decoded: bool = False) -> float:
        """Expected seconds of one of a job's trainings."""
        return job.seconds / job.trainings if job.start else self._plan.costs.training_seconds(job.cell, block, decoded)

    def _job(self, task: str, size: int, learner: str, seed: int, block: int, start: bool) -> PendingJob | None:
        """The job that does this training."""
        for job in self._of_seed.get((task, size, learner, seed, start), ()):
            if job.chunk.blocks[0] <= block <= job.chunk.blocks[1]:
                return job
        return None


#: Failed jobs that are said at most; the others are counted.
MOST = 5
#: Characters of a log's last line that are repeated.
LONGEST = 300
#: Snakemake's account of a job that failed: its whole command, and how it ended.
FAILED = re.compile(r"^Command '(.*)' (?:returned non-zero exit status (\d+)|died with <Signals.\w+: (\d+)>)\.$", re.M)
#: How a line begins with which a program says why it ends.
ERROR = re.compile(r"error: |(\w+\.)*\w*(Error|Exception|Interrupt|Exit)\b|told to end")


@dataclass(frozen=True)
class FailedJob:
    """A job that failed: what people know it by, why, and where its log lies."""

    what: str
    why: str
    log: Path | None

    def __str__(self) -> str:
        return f"  {self.what}\n    {self.why}\n    log: {self.log or 'none'}"


def failed_jobs(said: str) -> list[FailedJob]:
    """The jobs that failed, each once (as it did last), in the order in which they did.

    Args:
        said: what Snakemake printed.
    """
    found: dict[str, FailedJob] = {}
    for command, status, number in FAILED.findall(said):
        log = re.search(r" 2> (\S+)$", command)
        path = Path(log[1]) if log else None
        what = _what(command)
        found[what] = FailedJob(what, _why(path, int(number) if number else int(status) - 128), path)
    return list(found.values())


def in_lines(failed: list[FailedJob]) -> str:
    """Failed jobs, one below the other."""
    said = [str(job) for job in failed[:MOST]]
    if len(failed) > MOST:
        said.append(f"  and {len(failed) - MOST} more")
    return "\n".join(said)


def _what(command: str) -> str:
    """A job as people know it: a training job by its cell, seeds and blocks, another by its script and output."""
    script, output = re.search(r"/(\w+)\.py", command), re.search(r" --output (\S+)", command)
    trained = RUN_FILE.fullmatch(output[1]) if output else None
    if trained:
        seeds, blocks = trained[4].removesuffix(".jsonl").split("/")
        cell = f"{trained[1]}/{trained[2]}/{trained[3]}"
        return f"training {cell}, {seeds.replace('-', ' ', 1)}, {blocks.replace('-', ' ', 1)}"
    name = script[1] if script else command[:LONGEST]
    return f"{name} ({output[1]})" if output else name


def _why(log: Path | None, number: int) -> str:
    """Why a job ended: what its log says last, or by which signal it was killed.

    Args:
        number: the signal's, if it is one: of a job that ended by itself it is below 1.
    """
    last = _last_line(log)
    if ERROR.match(last):
        return last
    if number == signal.SIGKILL:
        return "it was killed (SIGKILL), perhaps because memory ran out: run fewer jobs at once (--cores)"
    if number in set(signal.Signals):
        return f"it was killed by {signal.Signals(number).name}" + (f" after: {last}" if last else "")
    return last or "it said nothing"


def _last_line(log: Path | None) -> str:
    """The last line of a log that holds anything; a job that ends by an error says it there."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log is not None else []
    except OSError:
        return ""
    last = lines[-1].strip() if lines else ""
    return last if len(last) <= LONGEST else f"{last[:LONGEST]} ..."
