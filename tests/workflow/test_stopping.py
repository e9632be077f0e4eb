"""A run that is told to end ends, wherever it was started and whoever of it is told: nothing is left behind or lost."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from indoubt.workflow.heartbeat import signs
from indoubt.workflow.processes import Group, Stop, Stopped
from tests.shared.prepared import PYTHON
from tests.shared.workspace import ROOT, indoubt

pytestmark = [pytest.mark.xdist_group("stopping"), pytest.mark.real_start]
#: A training that would take hours.
EXPERIMENT = {"task": "hierar-or-linear", "learners": ["transformer"], "seeds": "1-2", "measures": ["fpa"]}
LONG = {"engine": "fused", "device": "cpu", "updates": 10_000_000, "seeds_per_job": 2, "experiments": [EXPERIMENT]}
RUN = [PYTHON, *indoubt("run")[1:]]
SNAKEMAKE = [PYTHON, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--workflow-profile", "none"]
OPTIONS = ["tables", "--cores", "1", "--configfile", "my.yaml"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all tests, each of which resumes what the one before has left."""
    folder = tmp_path_factory.mktemp("stopping")
    (folder / "my.yaml").write_text(yaml.safe_dump(LONG))
    return folder


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a run where SIGINT is ignored, as a script's `... &` is."""
    started = []

    def of(command: list[str] = RUN, *words: str) -> subprocess.Popen[str]:
        started.append(
            subprocess.Popen(
                [*command, *OPTIONS, *words],
                cwd=folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
            )
        )
        return started[-1]

    yield of
    for process in [*processes_in(folder), *started]:
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            process.kill()
    for path in folder.glob("results/running/*"):  # a job that was killed has not said so
        path.unlink()


def processes_in(folder: Path) -> list[psutil.Process]:
    """What runs in a folder, jobs included."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def until(holds: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "this takes too long"
        time.sleep(0.1)


def until_it_trains(folder: Path) -> psutil.Process:
    """Wait for updates; returns the process of the job."""
    until(lambda: any(sign.state == "running" for sign in signs(folder / "results/running")))
    logs = folder / "results/logs/train"
    until(lambda: any("trainings, 2 to do" in path.read_text() for path in logs.rglob("*.log")))
    time.sleep(1)
    (job,) = (
        each for each in processes_in(folder) if each.name() != "bash" and "trainings.py" in "".join(each.cmdline())
    )
    return job


def snakemake_of(folder: Path) -> psutil.Process:
    (found,) = (each for each in processes_in(folder) if "-m\nsnakemake" in "\n".join(each.cmdline()))
    return found


def assert_nothing_is_left(folder: Path, saved: bool = True) -> None:
    assert not processes_in(folder)
    assert not list(folder.glob(".snakemake/locks/*"))
    assert not saved or list(folder.glob("results/states/*/*/*.pt"))
    assert [sign.state for sign in signs(folder / "results/running")] in ([], ["stopped"])


def drop_states(folder: Path) -> None:
    """So that a state that is there afterwards was saved by what is to be tested."""
    for path in folder.glob("results/states/*/*/*.pt"):
        path.unlink()


@pytest.mark.parametrize(
    "numbers",
    [
        (signal.SIGTERM, signal.SIGINT, signal.SIGTERM),
        *(
            pytest.param(each, marks=pytest.mark.long)
            for each in [(signal.SIGINT,), (signal.SIGINT, signal.SIGINT), (signal.SIGHUP, signal.SIGQUIT)]
        ),
    ],
)
def test_once_and_twice_and_by_several_kinds(
    folder: Path, start: Callable[..., subprocess.Popen[str]], numbers: tuple[signal.Signals]
) -> None:
    run = start()
    until_it_trains(folder)
    drop_states(folder)
    for number in numbers:
        run.send_signal(number)
        time.sleep(0.05)
    said, _ = run.communicate(timeout=30)
    assert run.returncode == 1 and f"stopped ({numbers[0].name}); finished trainings are kept" in said
    assert "run the same command again to resume" in said and "Traceback" not in said
    assert_nothing_is_left(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_snakemakes_process_alone_is_told(
    folder: Path, start: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    run = start()
    until_it_trains(folder)
    drop_states(folder)
    snakemake_of(folder).send_signal(number)
    said, _ = run.communicate(timeout=30)
    assert run.returncode == 1 and "stopped (Snakemake was told to end); finished trainings are kept" in said
    assert_nothing_is_left(folder)


def test_snakemakes_process_alone_is_killed(folder: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    """Its jobs are told to end, and the lock that it could not take away is."""
    run = start()
    until_it_trains(folder)
    drop_states(folder)
    assert list(folder.glob(".snakemake/locks/*"))
    snakemake_of(folder).kill()
    said, _ = run.communicate(timeout=60)
    assert run.returncode == 1 and "its process was killed (SIGKILL)" in said and "command resumes" in said
    assert_nothing_is_left(folder)


@pytest.mark.parametrize(
    "seconds", [1.0, *(pytest.param(each, marks=pytest.mark.long) for each in (2.0, 2.5, 3.0, 3.5))]
)
def test_before_the_first_training(folder: Path, start: Callable[..., subprocess.Popen[str]], seconds: float) -> None:
    """While it is planned, while Snakemake starts, or while a job starts."""
    run = start()
    time.sleep(seconds)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=30)
    assert run.returncode == 1 and "error: stopped" in said and "run the same command again" in said
    assert "Traceback" not in said
    assert_nothing_is_left(folder, saved=False)


def test_a_second_run_touches_nothing_of_the_first(folder: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    first = start()
    until_it_trains(folder)
    log = folder / "results/logs/snakemake.log"
    before = log.stat()
    second = start()
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 1 and f"another run is at work in this folder (process {first.pid})" in said
    assert (log.stat().st_ino, log.stat().st_mtime_ns, log.stat().st_size) == (
        before.st_ino,
        before.st_mtime_ns,
        before.st_size,
    )
    assert first.poll() is None and list(folder.glob(".snakemake/locks/*"))
    first.kill()  # Snakemake goes on and holds the lock
    first.wait()
    third = start()
    assert "another run is at work in this folder" in third.communicate(timeout=60)[0]
    snakemake_of(folder).terminate()
    until(lambda: not processes_in(folder), 30)
    assert_nothing_is_left(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_snakemake_without_run_py(
    folder: Path, start: Callable[..., subprocess.Popen[str]], number: signal.Signals
) -> None:
    run = start(SNAKEMAKE)
    until_it_trains(folder)
    drop_states(folder)
    run.send_signal(number)
    time.sleep(0.05)
    run.send_signal(number)
    run.communicate(timeout=30)
    assert run.returncode != 0
    assert_nothing_is_left(folder)


def test_a_job_that_is_killed_is_named_in_a_few_lines(
    folder: Path, start: Callable[..., subprocess.Popen[str]]
) -> None:
    run = start()
    until_it_trains(folder).kill()
    said, _ = run.communicate(timeout=60)
    assert (
        run.returncode == 1
        and "1 job failed:\n  training hierar-or-linear/4/transformer, seeds 1-2, blocks 0-3\n" in said
    )
    assert "it was killed (SIGKILL), perhaps because memory ran out" in said
    (log,) = folder.glob("results/logs/train/*/*/*/*.log")
    assert f"log: {log.relative_to(folder)}" in said
    assert len(said[said.index("1 job failed") :].splitlines()) <= 5


def test_a_group_that_does_not_end_is_killed() -> None:
    deaf = "import signal, subprocess, sys\nfor each in (2, 15): signal.signal(each, signal.SIG_IGN)\n"
    parent = deaf + "subprocess.Popen([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(30)'])"
    group = Group([sys.executable, "-c", parent], stdout=subprocess.PIPE)
    assert group.process.stdout is not None and group.process.stdout.readline() == b"1\n"
    assert group.wait(30), "the parent ends, its child does not"
    started = time.monotonic()
    group.end(patience=0.5)
    assert 0.5 <= time.monotonic() - started < 10
    assert group.process.stdout.read() == b"", "nobody holds the pipe any more"
    group.process.stdout.close()


def test_signals_while_held_are_noted_and_raised_later() -> None:
    stop = Stop()
    with stop.listening():
        with stop.held():
            for number in (signal.SIGTERM, signal.SIGINT):
                os.kill(os.getpid(), number)
        assert stop.by == signal.SIGTERM
        with pytest.raises(Stopped):
            stop.raise_if_told()
    again = Stop()
    with again.listening(), pytest.raises(Stopped):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("before", "ends"), [("SIG_DFL", True), ("SIG_IGN", False)])
def test_a_run_outlives_its_terminal_only_where_nohup_says_so(before: str, ends: bool) -> None:
    program = (
        f"import os, signal; from indoubt.workflow.processes import Stop; signal.signal(1, signal.{before})\n"
        "stop = Stop()\nwith stop.listening(), stop.held(): os.kill(os.getpid(), 1)\nprint(stop.by is not None)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{ends}\n"
