"""What runs again after a change: the jobs that Snakemake runs, and the trainings that the ledger counts."""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.data.test_content import HELPER, write
from tests.shared.workspace import EXPERIMENT, ROWS, SMALL, Workspace

pytestmark = pytest.mark.xdist_group("staleness")
LEARNERS = ["transformer", "transformer-joint"]
OF_BOTH = [ROWS, ROWS.replace("transformer", "transformer-joint")]
CONFIG = SMALL | {"experiments": [EXPERIMENT | {"learners": LEARNERS, "seeds": 1, "candidates": ["hierar"]}]}
#: T under each of the learners, and T plus one block, for the one candidate.
TRAININGS = {"hierar": 4}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Everything done once: two learners, one seed, one candidate."""
    workspace = Workspace(tmp_path_factory.mktemp("finished") / "it", CONFIG)
    ran = workspace.run()
    assert ran["train"] == 2 and ran["plot"] == 1
    assert len(workspace.records()) == 2 * TRAININGS["hierar"] and not workspace.twice()
    return workspace


@pytest.fixture
def moved(finished: Workspace, tmp_path: Path) -> Workspace:
    """All of it, results and Snakemake's notes included, in another place."""
    return finished.copy(tmp_path / "moved")


def pending(workspace: Workspace) -> set[str]:
    """The rules of which Snakemake would run a job."""
    command = workspace.command("--summary")
    done = subprocess.run(command, cwd=workspace.here, capture_output=True, text=True, check=True)
    rows = list(csv.DictReader(done.stdout.splitlines(), delimiter="\t"))
    return {row["rule"].split("_")[0] for row in rows if row["plan"] == "update pending"}


def remove(workspace: Workspace, *patterns: str) -> None:
    """What Snakemake does with what a failed or killed job was to write."""
    paths = [path for pattern in patterns for path in (workspace.here / "results").glob(pattern)]
    assert paths
    for path in paths:
        path.unlink()


def executed(workspace: Workspace, run: Callable[[], Counter[str]]) -> tuple[Counter[str], int]:
    before = len(workspace.records())
    ran = run()
    return ran, len(workspace.records()) - before


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text, f"{path} has no {old!r}; adapt the test"
    path.write_text(text.replace(old, new, 1))


def experiment(**changed: Any) -> dict[str, Any]:
    return CONFIG | {"experiments": [CONFIG["experiments"][0] | changed]}


def test_nothing_changed_and_results_moved_with_snakemakes_notes(finished: Workspace, moved: Workspace) -> None:
    for workspace in (finished, moved):
        assert not workspace.run()


def test_results_without_snakemakes_notes_are_assembled_anew_without_training(moved: Workspace) -> None:
    shutil.rmtree(moved.here / ".snakemake")
    for path in moved.here.glob("results/data*/**/*.*"):  # copied without their times: as new as can be
        path.touch()
    ran, n_trained = executed(moved, lambda: moved.run(*OF_BOTH))
    assert ran["train"] == 2 and n_trained == 0


def test_a_plot_module_edited(moved: Workspace) -> None:
    edit(moved.code / "scripts/figures.py", "\n\nif __name__", "\n\nCHANGED = True\n\nif __name__")
    ran, n_trained = executed(moved, moved.run)
    assert ran == {"plot": 1, "page": 1, "all": 1} and n_trained == 0


def test_a_comment_in_the_training_code(moved: Workspace) -> None:
    edit(moved.code / "indoubt/engines/fairseq/engine.py", "\nimport math", "\n# why not\nimport math")
    edit(moved.code / "indoubt/engines/fairseq/engine.py", '"""Engine', '"""The engine')
    ran, n_trained = executed(moved, moved.run)
    assert not ran and n_trained == 0


def test_the_training_code_changed(moved: Workspace) -> None:
    edit(moved.code / "indoubt/engines/backend.py", "CHECK_EVERY = 100", "CHECK_EVERY = 101")
    ran, n_trained = executed(moved, lambda: moved.run(*OF_BOTH))
    assert ran["train"] == 2 and n_trained == 2 * TRAININGS["hierar"]


def test_the_code_around_the_training_changed(moved: Workspace) -> None:
    """Jobs run again, for what they do may have changed; their trainings are known."""
    edit(moved.code / "indoubt/workflow/jobs.py", "\n\ndef run_job", "\n\nCHANGED = True\n\n\ndef run_job")
    ran, n_trained = executed(moved, lambda: moved.run(*OF_BOTH))
    assert ran["train"] == 2 and n_trained == 0


def test_a_hyperparameter_of_one_learner_and_back(moved: Workspace) -> None:
    joint = {"learners": {"transformer-joint": {"lr": 0.002}}}
    moved.configure(CONFIG | joint)
    ran, n_trained = executed(moved, lambda: moved.run(*OF_BOTH))
    assert (ran["train"], ran["collect"]) == (1, 1) and n_trained == TRAININGS["hierar"]
    moved.configure(CONFIG)
    ran, n_trained = executed(moved, lambda: moved.run(*OF_BOTH))
    assert ran["train"] == 1 and n_trained == 0


def test_a_new_seed(moved: Workspace) -> None:
    moved.configure(experiment(seeds="1-2"))
    ran, n_trained = executed(moved, lambda: moved.run(*OF_BOTH))
    assert ran["train"] == 2 and n_trained == 2 * TRAININGS["hierar"]
    assert not moved.twice()


def test_a_new_candidate(moved: Workspace) -> None:
    """Its blocks are trained; T is not, since it has scored the first blocks of all rules."""
    moved.configure(experiment(candidates=["hierar", "linear"], learners=["transformer"]))
    ran, n_trained = executed(moved, lambda: moved.run(ROWS))
    assert ran["train"] == 1 and n_trained == TRAININGS["hierar"] - 1


def test_other_chunks_and_a_deleted_output_train_nothing(moved: Workspace) -> None:
    moved.configure(CONFIG | {"blocks_per_job": 2})
    (moved.here / ROWS).unlink()
    ran, n_trained = executed(moved, lambda: moved.run(ROWS))
    assert ran["train"] == 2 and n_trained == 0


AFTER = ["train", "collect", "decode", "aggregate", "plot", "page"]


def test_what_a_failed_training_was_to_write_is_asked_for_again(moved: Workspace) -> None:
    moved.configure(CONFIG | {"updates": 3})
    remove(moved, "runs/*/*/*/*/*.jsonl")
    assert {*AFTER, "provenance"} <= pending(moved)


def test_what_any_other_failed_job_was_to_write_is_asked_for_again(moved: Workspace) -> None:
    """Each time something is edited, and the job that has to be done for it first has failed."""
    scripts = moved.code / "scripts"
    edited = "\n\nCHANGED = True\n\n\nif __name__"
    edit(scripts / "predictions.py", "\n\nif __name__", edited)
    remove(moved, "predictions/*/*/*/*.jsonl")
    assert pending(moved) == {"decode", "aggregate", "found", "plot", "provenance", "page"}
    edit(scripts / "predictions.py", edited, "\n\nif __name__")
    remove(moved, "tables/provenance.json")
    moved.configure(CONFIG | {"slots_per_gpu": 2})
    assert {"provenance", "page"} <= pending(moved)


@pytest.mark.long
def test_a_task_of_ones_own_with_files_beside_it(tmp_path: Path) -> None:
    """In a folder with a blank in its name: a helper and a data file, each edited; then examples edited by hand."""
    tasks = tmp_path / "my tasks"
    task = {"task": "mine", "learners": ["transformer"], "seeds": 1, "measures": ["fpa"]}
    config = SMALL | {"task_folder": str(tasks), "experiments": [task]}
    workspace = Workspace(tmp_path / "it", config)
    write(tasks)
    rows = "results/runs/mine/1/transformer.jsonl"
    decoded = "results/predictions/mine/1/transformer/predictions.jsonl"
    workspace.run(decoded)
    assert len(workspace.records()) == 1
    write(tasks, held_out="a b\nb a\na a b\n")
    generated = "results/data/mine/1/fpa/test.src"
    remove(workspace, generated.removeprefix("results/"))  # as if its job had failed
    assert {"generate", "binarize", *AFTER} <= pending(workspace)
    workspace.run(decoded)
    assert len(workspace.records()) == 2
    assert len((workspace.here / decoded).read_text().splitlines()) == 5
    write(tasks, held_out="a b\nb a\na a b\n", helper=HELPER.replace("[::-1]", "[::-1][:1] * 2"))
    assert {"decode", "aggregate", "page"} <= pending(workspace)
    workspace.run(rows)
    (workspace.here / generated).write_text("a a\nb b\na b\nb a\nb b a\n")
    workspace.run(rows, succeeds=False)
    logs = "".join(path.read_text() for path in workspace.here.glob("results/logs/train/mine/**/*.log"))
    assert "does not hold what task 'mine' gives at size 1: it was edited" in logs
