"""Other locales, terminals, settings of matplotlib, and children that are killed: what is made and said is the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from indoubt.data.task import load_tasks
from indoubt.errors import UserError, how_it_ended
from indoubt.files import write_atomically
from indoubt.workflow.plan import Plan
from tests.shared.workspace import ROOT

#: Surroundings in which Python's own encoding cannot take every character.
POOR = [
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
]
#: A task of the user's with symbols that neither ASCII nor Latin-1 has.
TASK = """
from indoubt import Task

class Ours(Task):
    name, sizes = "ours", (2,)
    candidates = {"first": lambda source, size: source[:1] * 2, "same": lambda source, size: source}

    def training_inputs(self, size):
        return [("λ", "λ")]

    def holdout_inputs(self, size):
        return [("λ", "ж"), ("ж", "λ"), ("ж", "é")]

    def unseen_symbols(self, size):
        return ("ж", "é"), ("ж", "é")
"""
SAYS = """
import sys
from indoubt.errors import UserError, exit_on_user_error

def main():
    print("0.5 \\u2013 1 \\u03bb")
    raise UserError("\\u03bb is no rule \\u2013 choose another")

exit_on_user_error(main)
"""


def python(*words: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, env=os.environ | environment)


@pytest.mark.parametrize("poor", POOR)
def test_a_terminal_that_lacks_a_character_is_shown_another(poor: dict[str, str]) -> None:
    done = python("-c", SAYS, **poor)
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    assert done.stdout.startswith(b"0.5 ") and b"error: " in done.stderr and b"choose another" in done.stderr


@pytest.mark.parametrize("poor", POOR)
def test_files_are_utf8_in_every_locale(tmp_path: Path, poor: dict[str, str]) -> None:
    (tmp_path / "ours.py").write_text(TASK, encoding="utf-8")
    data, binary = tmp_path / "data", tmp_path / "binary"
    about = ["--task", "ours", "--size", "2", "--dataset", "fpa", "first", "--task-folder", str(tmp_path)]
    made = python("scripts/generate.py", *about, "--output", str(data), **poor)
    assert made.returncode == 0, made.stderr
    assert (data / "fpa/train.src").read_text(encoding="utf-8").startswith("λ λ")
    done = python(
        "scripts/binarize.py", "--text", str(data), "--dataset", "fpa", "first", "--output", str(binary), **poor
    )
    assert done.returncode == 0, done.stderr
    assert "ж" in (binary / "first/dict.src.txt").read_text(encoding="utf-8")
    assert not list(tmp_path.rglob(".*"))


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "x.txt", "half a character: \ud800")
    assert not list(tmp_path.iterdir())


DRAW = """
import sys
from pathlib import Path
from indoubt.figures.style import not_measured, save
from indoubt.figures.draw import draw_figures
save(not_measured("task", "a title").figures[0], Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    "settings",
    [
        "text.usetex: True\n",
        "axes.facecolor: black\nsavefig.transparent: True\nsavefig.bbox: tight\nfont.family: fantasy\n",
        "nonsense\nfigure.dpi: many\nbackend: none\n",
    ],
)
def test_figures_are_the_same_whatever_the_users_settings_say(tmp_path: Path, settings: str) -> None:
    for name, text in (("plain", ""), ("theirs", settings)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "matplotlibrc").write_text(text, encoding="utf-8")
        for path in ("figure.svg", "figure.png"):
            done = subprocess.run(
                [sys.executable, "-c", DRAW, path],
                cwd=folder,
                capture_output=True,
                text=True,
                env=os.environ | {"PYTHONPATH": str(ROOT)},
            )
            assert done.returncode == 0, done.stderr
    for path in ("figure.svg", "figure.png"):
        assert (tmp_path / "plain" / path).read_bytes() == (tmp_path / "theirs" / path).read_bytes()


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ("kill -9 $$", "its process was killed (SIGKILL), perhaps because memory ran out"),
        ("kill -11 $$", "its process was killed (SIGSEGV)"),
        ("exit 3", "its process ended with status 3 and said nothing"),
    ],
)
def test_looking_at_learners_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str, said: str) -> None:
    (tmp_path / "python").write_text(f"#!/bin/sh\n{ends}\n")
    (tmp_path / "python").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    experiment = {"task": "add-or-mul", "sizes": [5], "learners": ["mine"], "seeds": 1}
    with pytest.raises(UserError) as refused:
        Plan({"learners": {"mine": {"arch": "lstm"}}, "experiments": [experiment]}, tmp_path / "cache")
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_how_a_process_ended_in_words() -> None:
    assert how_it_ended(-signal.SIGTERM) == "its process was killed (SIGTERM)"


def test_task_names_have_an_end(tmp_path: Path) -> None:
    (tmp_path / "long.py").write_text(TASK.replace('"ours"', f'"{"o" * 101}"'), encoding="utf-8")
    with pytest.raises(UserError, match="has more than 100 characters"):
        load_tasks([tmp_path])
