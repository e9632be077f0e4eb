"""Run the workflow with progress in trainings, and end with a summary of what was found.

    python scripts/run.py                                   what `make run` does: all of config.yaml, on all cores
    python scripts/run.py --cores 2 --configfile presets/smoke.yaml

Every option is Snakemake's. What Snakemake prints goes to results/logs/snakemake.log.
"""

from __future__ import annotations

import argparse
import csv
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from doubt.errors import UserError, exit_on_user_error
from doubt.files import ROOT
from doubt.workflow.planning.options import add_config_options, plan_of
from doubt.workflow.planning.plan import Plan
from doubt.workflow.standing.progress import Progress, in_words, pending_jobs

LOG = Path("results/logs/snakemake.log")
#: Seconds between two lines of progress where the terminal cannot show one that changes.
INTERVAL = 30


def main() -> None:
    options = sys.argv[1:]
    if not any(option.startswith(("--cores", "-c", "-j", "--jobs")) for option in options):
        options += ["--cores", str(os.cpu_count() or 1)]
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), *options]
    started = time.monotonic()
    pending = outputs_to_write(command)
    if pending:
        plan = the_plan(options)
        follow(command, Progress(plan, pending_jobs(plan, pending), Path("results")))
    summarise()
    if pending:
        print(f"Done in {in_words(time.monotonic() - started)}.")
    else:
        print("Nothing to do: every result is up to date.")


def outputs_to_write(command: list[str]) -> list[str]:
    """The files that a run would write, as Snakemake says."""
    done = subprocess.run([*command, "--summary"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(_tail(done.stderr))
    rows = csv.DictReader(done.stdout.splitlines(), delimiter="\t")
    return [row["output_file"] for row in rows if row["plan"] == "update pending"]


def the_plan(options: list[str]) -> Plan:
    """The plan that Snakemake makes of these options."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    add_config_options(parser)
    known, _ = parser.parse_known_args(options)
    return plan_of(known.configfile, known.config, known.results)


def stop_as_by_ctrl_c() -> None:
    """Let a kill or a closed terminal raise KeyboardInterrupt, so that Snakemake goes too; `nohup` stays as it is."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def follow(command: list[str], progress: Progress) -> None:
    """Run Snakemake and say how far it is; its output goes to the log.

    Raises:
        UserError: Snakemake failed, with the end of its log; another's lock is there; or the run was interrupted.
    """
    stop_as_by_ctrl_c()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    console = Console()
    console.print(f"{progress.total} trainings to do; details in {LOG}")
    with LOG.open("w") as log:
        snakemake = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            if console.is_terminal:
                with console.status(str(progress.look())) as status:
                    while snakemake.poll() is None:
                        time.sleep(1)
                        status.update(str(progress.look()))
            else:
                while _wait(snakemake, INTERVAL):
                    print(progress.look(), flush=True)
        except KeyboardInterrupt:
            os.killpg(snakemake.pid, signal.SIGINT)
            snakemake.wait()
            raise UserError("interrupted; finished trainings are kept, run again to go on") from None
    if snakemake.returncode != 0:
        said = LOG.read_text()
        if "LockException" in said:
            unlock = shlex.join([sys.executable, "-m", "snakemake", "--unlock", "--snakefile", str(ROOT / "Snakefile")])
            raise UserError(
                "another run is at work in this folder, or one was killed before it could take its lock away; if none "
                f"is, run `{unlock}`, then this again: nothing is lost"
            )
        raise UserError(f"the run failed; finished trainings are kept. The end of {LOG}:\n{_tail(said)}")


def summarise() -> None:
    """Print what was found, if there are tables."""
    if Path("results/tables/fpa.csv").exists():
        subprocess.run([sys.executable, str(ROOT / "scripts/summary.py"), "--tables", "results/tables"], check=True)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the process still runs after so many seconds."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return True
    return False


def _tail(text: str, n_lines: int = 25) -> str:
    return "\n".join(text.strip().splitlines()[-n_lines:])


if __name__ == "__main__":
    exit_on_user_error(main)
