"""What starts prepared (`tests/shared/prepared`) does what Python does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared.prepared import PYTHON

pytestmark = pytest.mark.skipif(sys.executable == PYTHON, reason="commands start prepared on Linux alone")
#: Says what it sees, and ends as it is told.
SCRIPT = """
import atexit, json, os, signal, sys
from beside import NAME
atexit.register(lambda: print("at the end", flush=True))
if __name__ == "__main__":
    opened = os.read(int(os.environ["OPENED"]), 5).decode()
    here = [os.getcwd(), NAME, opened, os.environ.get("HERE"), __file__, sys.flags.utf8_mode]
    seen = [sys.argv, sys.stdin.read(), *here]
    print(json.dumps(seen), flush=True)
    how = sys.argv[1]
    if how == "raise":
        raise ValueError("λ")
    if how.startswith("signal"):
        os.kill(os.getpid(), int(how[6:]))
    sys.exit(int(how) if how.isdigit() else how)
"""


def ran(python: str, folder: Path, how: str, **environment: str) -> tuple[int, str, str]:
    (folder / "opened").write_text("hello")
    with (folder / "opened").open() as opened:
        done = subprocess.run(
            [python, "scripts/it.py", how, "two words"],
            cwd=folder,
            input="to be read",
            text=True,
            capture_output=True,
            pass_fds=[opened.fileno()],
            env=os.environ | {"OPENED": str(opened.fileno()), "HERE": "x"} | environment,
        )
    return done.returncode, done.stdout, done.stderr.splitlines()[-1] if done.stderr else ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/it.py").write_text(SCRIPT)
    (tmp_path / "scripts/beside.py").write_text("NAME = 'beside'")
    return tmp_path


@pytest.mark.parametrize("how", ["0", "3", "a word", "raise", f"signal{signal.SIGTERM}", f"signal{signal.SIGKILL}"])
def test_a_command_ends_as_it_does_by_python(folder: Path, how: str) -> None:
    theirs = ran(PYTHON, folder, how)
    assert ran(sys.executable, folder, how) == theirs and '"to be read"' in theirs[1]


def test_what_is_read_at_the_start_is_read(folder: Path) -> None:
    assert ran(sys.executable, folder, "0", PYTHONUTF8="1") == ran(PYTHON, folder, "0", PYTHONUTF8="1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_are_passed_on(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "scripts").mkdir()
    program = "import signal, sys\nsignal.signal(int(sys.argv[1]), lambda *_: sys.exit(7))\nprint('now', flush=True)\n"
    (tmp_path / "scripts/it.py").write_text(program + "signal.pause()\n")
    command = [sys.executable, "scripts/it.py", str(int(number))]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "now\n"
        process.send_signal(number)
        assert process.wait() == 7


def test_what_a_killed_command_has_started_is_killed(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts/it.py").write_text("import time\nprint('now', flush=True)\ntime.sleep(600)\n")
    with subprocess.Popen(
        [sys.executable, "scripts/it.py"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "now\n"
        process.kill()
        assert process.stdout.read() == "", "it holds the pipe no more"
        assert process.wait() == -signal.SIGKILL
