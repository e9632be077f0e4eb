"""The documentation: its examples run, its links lead somewhere, its commands exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from doubt.workflow.planning.plan import Plan
from tests.shared.workspace import ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a language on a page of docs/."""
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_commands_name_what_there_is(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    folders = "scripts|presets|benchmarks|envs|profiles|tests|rules|tasks|doubt"
    for path in re.findall(rf"(?<![\w/-])(?:{folders})/[\w/.-]*\w", text):
        assert (ROOT / path).exists(), path
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for target in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, re.MULTILINE):
        assert target in targets, target


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_no_path_of_a_machine(page: Path) -> None:
    assert not re.search(r"(?<![\w.])/(?:root|home|tmp|work|Users)/", page.read_text(encoding="utf-8"))


def test_the_task_of_the_docs_runs(tmp_path: Path) -> None:
    (tmp_path / "my-tasks").mkdir()
    (tmp_path / "my-tasks/reverse_or_copy.py").write_text(blocks("your-task.md", "python")[0])
    config = yaml.safe_load(blocks("your-task.md", "yaml")[0]) | {
        "updates": 3,
        "blocks_per_job": 10,
        "seeds_per_job": 4,
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, str(ROOT / "scripts/run.py"), "--configfile", "my.yaml", "--cores", "1"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"COLUMNS": "120"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reverse-or-copy" in done.stdout and "trainings to do" in done.stdout
    assert (tmp_path / "results/figures/reverse-or-copy/rule_shares.svg").exists()
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "Nothing to do: every result is up to date." in again.stdout


def test_the_learner_of_the_docs_is_one(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    mine = yaml.safe_load(blocks("your-learner.md", "yaml")[0])
    content["learners"] |= mine.pop("learners")
    learner = Plan(content | mine, tmp_path).learners["transformer-deep"]
    assert learner.updates == 2000 and learner.arguments["encoder_layers"] == 4
