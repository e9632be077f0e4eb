"""The presets: what they would run is what they say, and Snakemake can plan it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from indoubt.data.task import load_tasks
from indoubt.workflow.config_files import plan_of
from indoubt.workflow.estimate import estimates
from indoubt.workflow.plan import Plan
from tests.shared.workspace import ROOT

pytestmark = pytest.mark.xdist_group("presets")  # one worker makes the plans
CRITIQUES = {
    *("oddone-or-linear", "oddone-or-linear-pcfg", "compo2", "compo2-constant-prop", "compo2-2funcs-constant-prop"),
    *(f"oddone-or-hierar-mirr-{way}{paren}" for way in ("pcfg", "cofr") for paren in ("", "-paren")),
}


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Plan]:
    results = tmp_path_factory.mktemp("results")
    return {
        name: plan_of([str(ROOT / f"presets/{name}.yaml")], [], results)
        for name in ("critique", "scan", "fits", "robustness", "atlas")
    }


def test_the_critiques_tasks_learners_and_seeds(plans: dict[str, Plan]) -> None:
    plan = plans["critique"]
    assert {cell.task for cell in plan.cells.values()} == CRITIQUES and len(plan.learners) == 7
    assert len(plan.cells) == (6 + 3 * 4) * 7
    for cell in plan.cells.values():
        task = plan.tasks[cell.task]
        assert [seed for seed, datasets in cell.seeds.items() if "fpa" in datasets] == list(range(1, 101))
        assert [seed for seed, datasets in cell.seeds.items() if set(datasets) == set(task.datasets)] == list(
            range(1, 13)
        )
    assert set(plan.not_fused) == {"lstm-bidirectional", "lstm-attention-bidirectional"}


def test_scan(plans: dict[str, Plan]) -> None:
    plan = plans["scan"]
    assert (
        plan.learners["scan-cnn-long"].updates == 500_000 and plan.learners["scan-transformer-long"].batch_size == 256
    )
    small, large = (plan.cells[task, 1, "lstm"] for task in ("scan-add-jump", "scan-twice-thrice-jump"))
    assert plan.costs.training_seconds(small, 0) > 60 and plan.costs.training_seconds(large, 0) > 60
    cell = plan.cells["scan-jump", 1, "scan-lstm"]
    assert set(cell.datasets) == {"fpa", "compo", "mem", "subst", "random"}


def test_the_atlas_has_every_built_in_learner_and_enough_seeds(plans: dict[str, Plan]) -> None:
    plan = plans["atlas"]
    measured = {cell.learner for cell in plan.cells.values()}
    files = {str(plan.learners[name].place).removesuffix(".py") for name in measured if name in plan.tried}
    assert {path.stem for path in (ROOT / "learners").glob("*.py")} <= {Path(file).name for file in files}
    assert {"lstm", "lstm-attention", "cnn", "transformer", "transformer-joint"} <= measured
    for cell in plan.cells.values():
        least = 12 if cell.learner == "lstm-0.1" else 48  # a control of the paper's LSTM, which has 12 in most cells
        assert sum("fpa" in datasets for datasets in cell.seeds.values()) >= least
        coded = [seed for seed, datasets in cell.seeds.items() if set(datasets) - {"fpa"}]
        assert not coded or len(coded) >= 12


def test_the_atlas_takes_forty_hours_of_a_core_at_most(plans: dict[str, Plan], tmp_path: Path) -> None:
    assert 20 < sum(each.hours for each in estimates(plans["atlas"], tmp_path / "nothing measured")) <= 40


def test_every_new_task_is_asked_whether_it_is_learned_at_all(plans: dict[str, Plan]) -> None:
    asked = {cell.task for cell in plans["fits"].cells.values()}
    large = {"scan-jump", "scan-addprim-jump", "scan-addtwicethrice-jump"}
    assert {*load_tasks()} - asked == {"add-or-mul", "count-or-mem", "hierar-or-linear", *large}


def test_the_papers_appendix_is_two_learners_swept(plans: dict[str, Plan]) -> None:
    plan = plans["robustness"]
    assert {name: len(span) for name, span in plan.sweeps.items()} == {"transformer-swept": 24, "lstm-swept": 24}
    assert len(plan.cells) == 3 * 48 and all(list(cell.seeds) == list(range(1, 13)) for cell in plan.cells.values())
    basis = "transformer-swept,dropout=0.0"
    small = f"{basis},encoder_layers=1,encoder_embed_dim=16,optimizer=adam"
    large = f"{basis},encoder_layers=2,encoder_embed_dim=64,optimizer=adam"
    assert (
        plan.learners[large].arguments["decoder_layers"] == 2 and plan.learners[small].arguments["decoder_layers"] == 1
    )
    assert 0 < sum(plan.costs.training_seconds(cell, 0) * len(cell.seeds) for cell in plan.cells.values()) / 3600 < 100


@pytest.mark.parametrize(
    "preset", ["scan", *(pytest.param(name, marks=pytest.mark.long) for name in ("critique", "robustness"))]
)
def test_dry_runs(tmp_path: Path, preset: str) -> None:
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "-n", "--quiet", "all"]
    command += ["--cores", "2", "--configfile", str(ROOT / f"presets/{preset}.yaml")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
