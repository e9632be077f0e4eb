"""What a run says while it is at work: a line for each cell that is done, cheap cells first, and a page of them."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from indoubt.report.so_far import SoFar, files_of
from indoubt.workflow.config_files import content_of
from indoubt.workflow.plan import Plan
from tests.shared.workspace import EXPERIMENT, SMALL, Workspace, indoubt

#: The expensive cell stands first.
CELLS = {"transformer-joint": "1-3", "transformer": "1-2"}
CONFIG = SMALL | {
    "learners": {"transformer-joint": {"updates": 6}},
    "experiments": [
        EXPERIMENT | {"learners": [name], "seeds": seeds, "measures": ["fpa"]} for name, seeds in CELLS.items()
    ],
}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, str]:
    """A run of two cells, and what it said."""
    workspace = Workspace(tmp_path_factory.mktemp("so-far") / "it", CONFIG)
    command = indoubt("run", "--configfile", "our.yaml", "--cores", "1", code=workspace.code)
    run = subprocess.run(command, cwd=workspace.here, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return workspace, run.stdout


def test_each_cell_is_said_when_it_is_done_and_cheap_ones_come_first(done: tuple[Workspace, str]) -> None:
    workspace, said = done
    (_, n), (_, m) = found = re.findall(r"^hierar-or-linear/4/(\S+): \S+, \d/(\d) \(\S+–\S+\)$", said, re.MULTILINE)
    assert [name for name, _ in found] == ["transformer", "transformer-joint"] and (n, m) == ("2", "3")
    assert said.index(": ") < said.index("most seeds"), "before the summary"
    assert not (workspace.here / "results/so-far").exists(), "the page is where it always is"


def test_a_line_says_what_the_table_says_and_the_page_is_of_what_is_done(done: tuple[Workspace, str]) -> None:
    workspace, _ = done
    results = workspace.here / "results"
    content = content_of([str(workspace.here / "our.yaml")], [])
    plan = Plan(content, results / ".cache")
    one, other = (plan.cell("hierar-or-linear", 4, name) for name in CELLS)
    files = [*files_of(one, results), *files_of(other, results)]
    before = time.time() - 60
    for path in files:
        os.utime(path, (before, before))
    so_far = SoFar(content, plan, {str(path) for path in files}, results)
    assert list(so_far.news()) == [], "files of an earlier run say nothing of this one"
    os.utime(files_of(one, results)[0])
    assert list(so_far.news()) == []
    os.utime(files_of(one, results)[1])
    (line,) = so_far.news()
    with (results / "tables/fpa.csv").open() as table:
        rows = list(csv.DictReader(table))
    of_cell = [row for row in rows if row["learner"] == "transformer-joint"]
    most = max(of_cell, key=lambda row: int(row["n"]))
    interval = "–".join(
        f"{float(most[end]):.2f}".removeprefix("0").removesuffix(".00") for end in ("ci_low", "ci_high")
    )
    assert line.startswith("hierar-or-linear/4/transformer-joint: ") and most["class"] in line
    assert line.endswith(f", {most['n']}/3 ({interval})")
    said: list[str] = []
    deadline = time.monotonic() + 120
    while not said and time.monotonic() < deadline:
        time.sleep(0.1)
        said += so_far.news()
    assert said == [f"The page of what is done so far: {so_far.page}"], (results / "logs/so-far.log").read_text()
    page = so_far.page.read_text()
    missing = page[page.index("What is missing") :]
    assert "transformer-joint" in page[: page.index("What is missing")] and re.search(r">\s*transformer\s*<", missing)
    for path in files_of(other, results):
        os.utime(path)
    (line,) = so_far.news()
    assert line.startswith("hierar-or-linear/4/transformer: ") and list(so_far.news()) == []
    so_far.end()
    assert not (results / "so-far").exists()


def test_what_a_stopped_run_has_found_stays(done: tuple[Workspace, str], tmp_path: Path) -> None:
    workspace = done[0].copy(tmp_path / "it")
    results = workspace.here / "results"
    content = content_of([str(workspace.here / "our.yaml")], [])
    plan = Plan(content, results / ".cache")
    files = {str(path) for cell in plan.cells.values() for path in files_of(cell, results)}
    so_far = SoFar(content, plan, files, results)
    so_far.page.parent.mkdir(parents=True)
    so_far.page.touch()
    so_far.end()
    assert so_far.page.exists()
