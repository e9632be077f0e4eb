"""Run the workflow with progress in trainings, and end with a summary of what was found.

    indoubt run                                  what `make run` does: all of config.yaml, on all cores
    indoubt run --preset smoke --cores 2
    indoubt run tables --configfile my.yaml      the tables alone (also: data, figures, report)

Every other option is Snakemake's. What Snakemake prints goes to results/logs/snakemake.log.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from rich.console import Console

from indoubt.command import named_parser
from indoubt.errors import UserError, how_it_ended
from indoubt.files import ROOT
from indoubt.report.so_far import SoFar
from indoubt.schema.wording import time_left
from indoubt.workflow.config_files import add_config_options, configfiles, content_of
from indoubt.workflow.plan import Plan
from indoubt.workflow.processes import PATIENCE, Group, Stop, Stopped, only_run, snakemake_has_locked
from indoubt.workflow.progress import Progress, failed_jobs, in_lines, pending_jobs

RESULTS = Path("results")
LOG = RESULTS / "logs/snakemake.log"
#: What Snakemake says where another one's lock is, and where it was told to end.
LOCKED, SNAKEMAKE_TOLD = "LockException", "Terminating processes on user request"
#: Seconds between two lines of progress where the terminal cannot show one that changes.
INTERVAL = 30


def parser() -> ArgumentParser:
    made = named_parser("run", __doc__)
    made.allow_abbrev = False  # what is no option of ours is Snakemake's
    add_config_options(made)
    return made


def main(words: Sequence[str] | None = None) -> None:
    known, options = parser().parse_known_args(words)
    files = configfiles(known)
    if not any(option.startswith(("--cores", "-c", "-j", "--jobs")) for option in options):
        options += ["--cores", str(os.cpu_count() or 1)]
    configured = ["--configfile", *files] if files else []
    configured += ["--config", *known.config] if known.config else []
    stop = Stop()
    with stop.listening():
        try:
            with only_run(RESULTS) as lock:
                content = content_of(files, known.config)
                run(content, [*options, *configured], stop, lock)
        except Stopped:
            raise UserError("stopped while nothing was trained; run the same command again") from None


def run(content: dict[str, Any], options: list[str], stop: Stop, lock: int) -> None:
    """Run what is to be done, and say what was found.

    Args:
        content: the configuration, as `options` name it.
        options: Snakemake's.
        lock: of the results folder, to be handed on.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *options]
    started, plan = time.monotonic(), Plan(content, RESULTS / ".cache")
    outputs = summary_of(command, stop)
    pending = [output["output_file"] for output in outputs if output["plan"] == "update pending"]
    again = [] if len(pending) == len(outputs) else made_anew(plan, outputs)
    if again:
        print(f"Made again, since they are not what configuration and ledger say: {shortened(again)}", flush=True)
        command[3:3] = ["--forcerun", *again]  # what follows it must be an option
        pending += [output["output_file"] for output in outputs if {output["output_file"], output["rule"]} & {*again}]
    if pending:
        progress = Progress(plan, pending_jobs(plan, pending), RESULTS)
        follow(command, progress, SoFar(content, plan, pending, RESULTS), stop, lock)
    summarise()
    if pending:
        print(f"Done in {time_left(time.monotonic() - started)}.")
    else:
        print("Nothing to do: every result is up to date.")


def summary_of(command: list[str], stop: Stop) -> list[dict[str, str]]:
    """What Snakemake says of each file that a run is to end with: which rule makes it, and whether it would do so."""
    with stop.held(), tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complaint:
        snakemake = Group([*command, "--summary"], stdout=said, stderr=complaint)
        try:
            while not (snakemake.wait(1) or stop.by):
                pass
        finally:
            snakemake.end()
        stop.raise_if_told()
        table, why = (_whole(file) for file in (said, complaint))
    status = snakemake.process.returncode
    if status != 0:
        raise UserError(_tail(why) or f"what is to be done cannot be determined: {how_it_ended(status)}")
    return list(csv.DictReader(table.splitlines(), delimiter="\t"))


def made_anew(plan: Plan, outputs: list[dict[str, str]]) -> list[str]:
    """What Snakemake would leave as it is, and is not what configuration and ledger say."""
    from indoubt.workflow.missing import outdated  # slow to import: torch

    return outdated(plan, outputs, RESULTS)


def shortened(names: list[str]) -> str:
    """Some names, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def follow(command: list[str], progress: Progress, so_far: SoFar, stop: Stop, lock: int) -> None:
    """Run Snakemake, its output in the log, and say how far it is; at the end none of its processes is left.

    What a cell has found is said when it is done.

    Raises:
        UserError: a job failed, and which; another's lock is there; or the run was stopped.
    """
    LOG.parent.mkdir(parents=True, exist_ok=True)
    print(f"{progress.total} trainings to do; details in {LOG}", flush=True)
    locked_by_another = snakemake_has_locked()
    with stop.held():
        with LOG.open("w", encoding="utf-8") as log:
            snakemake = Group(command, stdout=log, stderr=subprocess.STDOUT, pass_fds=[lock])
        try:
            _watch(snakemake, progress, so_far, stop)
        except OSError as error:  # nobody reads what is said any more
            stop.by = stop.by or signal.SIGPIPE
            _say(f"the progress cannot be shown ({error.strerror})")
        finally:
            if stop.by:
                _say(f"stopping ({stop.by.name}): what is under way is being saved, for {PATIENCE:.0f} s at most")
            snakemake.end()
            so_far.end()
        said = LOG.read_text(encoding="utf-8", errors="replace")
        if snakemake_has_locked() and not locked_by_another and LOCKED not in said:  # it was killed
            subprocess.run([*command, "--unlock"], capture_output=True, check=False, start_new_session=True)
    _complain(snakemake.process.returncode, said, stop)


def _watch(snakemake: Group, progress: Progress, so_far: SoFar, stop: Stop) -> None:
    """Say how far a run is until it ends or is told to, and what each cell has found that is done."""
    console = Console()
    if console.is_terminal:
        with console.status(str(progress.look())) as status:
            while not (snakemake.wait(1) or stop.by):
                status.update(str(progress.look()))
                for line in so_far.news():
                    console.print(line, highlight=False, markup=False, soft_wrap=True)  # above the bar
        return
    said = time.monotonic()
    while not (snakemake.wait(1) or stop.by):
        for line in so_far.news():
            print(line, flush=True)
        if time.monotonic() - said > INTERVAL:
            print(progress.look(), flush=True)
            said = time.monotonic()


def _complain(status: int, said: str, stop: Stop) -> None:
    """Say why a run did not come to its end, if it did not."""
    if stop.by or SNAKEMAKE_TOLD in said:
        by = f" ({stop.by.name})" if stop.by else " (Snakemake was told to end)"
        raise UserError(
            f"stopped{by}; finished trainings are kept, those under way are saved: run the same command again to resume"
        )
    if status == 0:
        return
    if LOCKED in said:
        unlock = shlex.join([sys.executable, "-m", "snakemake", "--unlock", "--snakefile", str(ROOT / "Snakefile")])
        raise UserError(
            "another run is at work in this folder, or one was killed before it could take its lock away; if none "
            f"is, run `{unlock}`, then this again: nothing is lost"
        )
    if status < 0:
        raise UserError(
            f"Snakemake did not end by itself: {how_it_ended(status)}. Finished trainings are kept: the same command "
            "resumes"
        )
    failed = failed_jobs(said)
    if not failed:
        raise UserError(f"the run failed; finished trainings are kept. The end of {LOG}:\n{_tail(said)}")
    n = len(failed)
    raise UserError(
        f"{n} job{'s' if n > 1 else ''} failed:\n{in_lines(failed)}\nFinished trainings are kept: correct what is said "
        f"there, then run the same command again. Snakemake's own account: {LOG}"
    )


def summarise() -> None:
    """Print what was found, if there are tables."""
    if (RESULTS / "tables/fpa.csv").exists():
        from indoubt.report.summary import print_summary  # slow to import: pandas

        try:
            print_summary(RESULTS / "tables")
        except (OSError, UserError) as error:
            why = f"all is done, but its summary could not be shown ({error}); `results/report/index.html` has it all"
            raise UserError(why) from error


def _say(text: str) -> None:
    """Say something even if nobody can hear it any more: the terminal may be closed."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def _whole(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", errors="replace")


def _tail(text: str, n_lines: int = 25) -> str:
    return "\n".join(text.strip().splitlines()[-n_lines:])
