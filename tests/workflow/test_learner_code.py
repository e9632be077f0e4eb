"""Which change of a learner's code makes which trainings stale; a file that changes under a run."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from indoubt.learner import ModuleLearner
from indoubt.workflow import code_hash
from indoubt.workflow.identity import identity
from tests.shared.workspace import ROOT, Workspace, indoubt

pytestmark = pytest.mark.xdist_group("learner_code")
MINE = '''"""A learner."""
import torch
from torch import nn
from sizes import WIDTH


class Mine(nn.Module):
    # a comment
    def __init__(self, symbols, width=WIDTH):
        super().__init__()
        self.table, self.out = nn.Embedding(symbols, width), nn.Linear(width, symbols)

    def forward(self, tokens):
        return self.out(self.table(tokens).cumsum(1))
'''


def identity_of(file: Path) -> str:
    return identity("modules", ModuleLearner({}, file=str(file)))


def test_a_learner_is_known_by_its_code_and_by_what_it_imports(tmp_path: Path) -> None:
    mine, sizes, other = (tmp_path / f"{name}.py" for name in ("mine", "sizes", "other"))
    mine.write_text(MINE)
    sizes.write_text("WIDTH = 16\n")
    first = identity_of(mine)
    other.write_text("x = 1\n")
    mine.write_text(MINE.replace("# a comment", "# another one").replace('"""A learner."""', '"""Mine."""'))
    assert identity_of(mine) == first
    sizes.write_text("WIDTH = 17  # changed\n")
    assert identity_of(mine) != first
    sizes.write_text("WIDTH = 16  # as it was\n")
    assert identity_of(mine) == first
    mine.write_text(MINE.replace("cumsum(1)", "cumsum(1) * 2"))
    assert identity_of(mine) != first


def test_versions_of_other_packages_count_but_not_torchs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.py"
    file.write_text("import os\nimport torch\nimport scipy.stats\n")
    first = identity_of(file)
    versions = {"scipy": "0.0.1", "torch": "0.0.1"}
    monkeypatch.setattr(code_hash.importlib.metadata, "version", versions.__getitem__)
    assert identity_of(file) != first
    file.write_text("import os\nimport torch\n")
    without = identity_of(file)
    versions["torch"] = "0.0.2"
    assert identity_of(file) == without


def test_built_in_learners_know_their_layers_and_the_engine_does_not(tmp_path: Path) -> None:
    program = (
        "from indoubt.learner import ModuleLearner;"
        "from indoubt.workflow.identity import identity, numbers_of;"
        "mine = [ModuleLearner({}, file=file) for file in ('learners/mamba.py', 'learners/transformer.py')];"
        "print(numbers_of('modules').name, *(identity('modules', each) for each in mine))"
    )

    def hashes(workspace: Workspace) -> list[str]:
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, cwd=workspace.code, capture_output=True, text=True, check=True)
        return done.stdout.split()

    workspace = Workspace(tmp_path / "w")
    before = hashes(workspace)
    for path, changed in (
        ("indoubt/layers.py", [False, False, True]),
        ("learners/mamba.py", [False, True, False]),
        ("indoubt/learners/try_out.py", [False, False, False]),
        ("indoubt/engines/modules/stacked_models.py", [True, True, True]),
    ):
        file = workspace.code / path
        text = file.read_text()
        file.write_text(text + "\nCHANGED = 1\n")
        assert [a != b for a, b in zip(before, hashes(workspace), strict=True)] == changed, path
        file.write_text(text)


def test_a_changed_file_retrains_its_learner_alone_and_stops_a_run_that_knew_another(tmp_path: Path) -> None:
    experiment = {"task": "add-or-mul", "sizes": [5], "learners": ["mine", "s4d"], "seeds": "1-2", "measures": ["fpa"]}
    learners = {"mine": {"module": "my/mine.py"}, "s4d": {"module": "s4d"}}
    config = {"device": "cpu", "updates": 2, "learners": learners, "experiments": [experiment]}
    workspace = Workspace(tmp_path / "w", config)
    (workspace.here / "my").mkdir()
    (workspace.here / "my/mine.py").write_text(MINE)
    (workspace.here / "my/sizes.py").write_text("WIDTH = 16\n")
    targets = [f"results/runs/add-or-mul/5/{name}.jsonl" for name in learners]
    workspace.run(*targets)
    assert Counter(record["note"]["learner"] for record in workspace.records()) == {"mine": 2, "s4d": 2}
    (workspace.here / "my/sizes.py").write_text("WIDTH = 24\n")
    status = indoubt("plan", "--configfile", "our.yaml", code=workspace.code)
    said = subprocess.run(status, cwd=workspace.here, capture_output=True, text=True, check=True).stdout
    reasons = [line.split(":")[0].strip() for line in said.splitlines() if line.startswith("  add-or-mul")]
    assert reasons == ["add-or-mul/5/mine"]
    workspace.run(*targets)
    assert Counter(record["note"]["learner"] for record in workspace.records()) == {"mine": 4, "s4d": 2}
    # a job that was planned with the code of before
    log = next(workspace.here.glob("results/logs/train/add-or-mul/5/mine/*.log"))
    assert "2 trainings, 2 to do" in log.read_text()
    command = [sys.executable, "-c", CHANGED]
    environment = {"PYTHONPATH": str(ROOT)}
    job = subprocess.run(command, cwd=workspace.here, env=environment, capture_output=True, text=True, check=False)
    assert "the code of learner 'mine' is not " in job.stderr and "changed since this run was planned" in job.stderr


CHANGED = """
from pathlib import Path
from indoubt.errors import exit_on_user_error
from indoubt.learner import ModuleLearner
from indoubt.training import Protocol
from indoubt.workflow.job import Job
from indoubt.workflow.jobs import _check_code

learner = ModuleLearner({"module": "mine.Mine"}, file=str(Path("my/mine.py").resolve()))
about = "add-or-mul", 5, "mine", learner, Protocol(), "modules", "0" * 16, 1, 1, {1: ["fpa"]}, (0, 0), {}, {}
exit_on_user_error(lambda: _check_code(Job(*about)))
"""
