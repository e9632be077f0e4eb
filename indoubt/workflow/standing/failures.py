"""Which jobs of a run failed, and why, out of what Snakemake says of them: a few lines for people."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from pathlib import Path

from indoubt.workflow.standing.progress import RUN_FILE

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
