"""Made-up results with their report, made once for all tests of the page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from indoubt.measures.rows import read_runs
from tests.shared.made_up import write_cells
from tests.shared.reported import write_results
from tests.shared.tasks import released_tasks
from tests.shared.workspace import ROOT


@pytest.fixture(scope="session")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up results of two learners and 12 seeds, with their report."""
    folder = tmp_path_factory.mktemp("results")
    sizes = {name: task.sizes[:2] for name, task in released_tasks().items()}
    write_results(folder, *read_runs(write_cells(folder, range(1, 13), sizes=sizes, learners=("cnn", "lstm"))))
    expected = [{"task": "add-or-mul", "size": 5, "learner": "cnn", "seeds": [11, 12, 13], "datasets": ["fpa", "add"]}]
    (folder / "expected.json").write_text(json.dumps(expected))
    (folder / "config.yaml").write_text("engine: made-up\n")
    (folder / "made_by.json").write_text(json.dumps({"git": {"revision": "abc"}, "cores": [1, 2]}))
    command = [sys.executable, str(ROOT / "scripts" / "report.py"), "--tables", str(folder / "tables")]
    command += ["--figures", str(folder / "figures"), "--output", str(folder / "report" / "index.html")]
    command += ["--expected", str(folder / "expected.json"), "--config", str(folder / "config.yaml")]
    done = subprocess.run([*command, "--provenance", str(folder / "made_by.json")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder
