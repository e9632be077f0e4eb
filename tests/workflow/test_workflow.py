"""The whole workflow, by Snakemake, as a user runs it: real trainings, few updates."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.shared.workspace import ROOT, indoubt

ORIGINAL_ROWS = ROOT / "tests/shared/reference/original_code_lengths.jsonl"
ROWS = [json.loads(row) for row in ORIGINAL_ROWS.read_text().splitlines()]
#: Two for a test of the way; all, of each learner whose training takes a second or two, for the long tests.
ORIGINALS = [row for row in ROWS if row["learner"] in ("transformer", "transformer-joint", "cnn")]
FEW = [row for row in ORIGINALS if row["task"] == "hierar-or-linear" and row["learner"] in ("transformer", "cnn")]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())


def snakemake(folder: Path, *words: str, **config: Any) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a folder with some keys of the configuration changed; on one core."""
    folder.mkdir(exist_ok=True)
    (folder / "changed.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", *words, "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    command += ["--configfile", "changed.yaml"]
    environment = os.environ | {"COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"results/tables/{name}.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("originals", [FEW, pytest.param(ORIGINALS, marks=pytest.mark.long)], ids=["few", "all"])
def test_the_workflow_gives_the_originals_numbers(tmp_path: Path, originals: list[dict[str, Any]]) -> None:
    """`protocol: released` on the CPU: blocks.csv holds the code lengths that the original code prints."""
    learners = {f"{row['learner']}-{row['updates']}": {} for row in originals}
    for name in learners:
        base, updates = name.rsplit("-", 1)
        learners[name] = CONFIG["learners"][base] | {"updates": int(updates)}
    experiments = [
        {
            "task": row["task"],
            "sizes": [row["size"]],
            "learners": [f"{row['learner']}-{row['updates']}"],
            "seeds": row["seed"],
            "measures": ["code_length"],
            "candidates": [row["dataset"]],
        }
        for row in originals
    ]
    done = snakemake(tmp_path, "tables", learners=learners, experiments=experiments, protocol="released", device="cpu")
    assert done.returncode == 0, done.stderr
    found: dict[tuple[str, ...], list[tuple[int, float]]] = {}
    for block in table(tmp_path, "blocks"):
        assert (block["adam_state"], block["rng_streams"], block["engine"]) == ("carried", "released", "fairseq")
        cell = tuple(block[key] for key in ("task", "size", "dataset", "learner", "seed"))
        found.setdefault(cell, []).append((int(block["block"]), float(block["bits"]) / int(block["n_examples"])))
    assert len(found) == len(originals) in (2, 8)
    for row in originals:
        name = f"{row['learner']}-{row['updates']}"
        bits = [b for _, b in sorted(found[row["task"], str(row["size"]), row["dataset"], name, str(row["seed"])])]
        assert bits == pytest.approx(row["online_cross_entropy"], rel=1e-6)


OWN_TASK = '''
from indoubt.data.task import Task

class Reverse(Task):
    """Is the rule "backwards" or "the same"?"""
    name = "reverse"
    sizes = (3,)
    candidates = {"backwards": lambda source, size: source[::-1], "same": lambda source, size: source}
    def training_inputs(self, size):
        return [("a",) * size + ("b",) + ("a",) * size]
    def holdout_inputs(self, size):
        return [("a", "b", "b"), ("b", "a"), ("b", "b", "b", "a")]
'''


def test_a_task_and_a_learner_of_ones_own_and_one_that_diverges(tmp_path: Path) -> None:
    """A known answer through the whole workflow: a learner that knows nothing needs 3 bits per symbol."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/reverse.py").write_text(OWN_TASK)
    plugin = str(ROOT / "tests/shared/plugins/uniform_learner")
    learners = {
        "guesser": {"arch": "uniform_guesser", "user_dir": plugin, "optimizer": "adam", "updates": 2},
        "broken": CONFIG["learners"]["transformer"] | {"lr": 1e30, "updates": 120},
    }
    config = {
        "learners": learners,
        "task_folder": "mine",
        "experiments": [{"task": "reverse", "learners": ["guesser", "broken"], "seeds": "1-2"}],
        "device": "cpu",
        "blocks_per_job": 10,
    }
    done = snakemake(tmp_path, **config)
    assert done.returncode == 0, done.stderr
    lengths = {"1": 4 * 3, "2": 3 * 3, "3": 5 * 3}  # T shuffles: sums per seed are the same
    for candidate in ("backwards", "same"):
        rows = [r for r in table(tmp_path, "blocks") if r["learner"] == "guesser" and r["dataset"] == candidate]
        for seed in ("1", "2"):
            bits = sorted(float(row["bits"]) for row in rows if row["seed"] == seed)
            assert bits == pytest.approx(sorted(map(float, lengths.values())), rel=1e-6)
    shares = {(r["learner"], r["class"]): float(r["fpa"]) for r in table(tmp_path, "fpa")}
    assert shares["guesser", "unfit"] == 1 and shares["broken", "diverged"] == 1
    broken = [r for r in table(tmp_path, "blocks") if r["learner"] == "broken"]
    assert broken and all(row["status"] == "diverged" and row["bits"] == "" for row in broken)
    assert all(int(r["n_diverged"]) == 2 for r in table(tmp_path, "code_length") if r["learner"] == "broken")
    for figure in ("rule_shares", "code_lengths", "code_curves"):
        assert (tmp_path / f"results/figures/reverse/{figure}.png").stat().st_size > 1000
    page = (tmp_path / "results/report/index.html").read_text()
    assert "reverse" in page and "guesser" in page and "broken" in page
    again = snakemake(tmp_path, **config)
    assert "Nothing to be done" in again.stdout + again.stderr
    rendered = snakemake(tmp_path, "--report", "report.zip", **config)
    assert rendered.returncode == 0, rendered.stderr
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        names = "\n".join(archive.namelist())
        everything = "\n".join(archive.read(n).decode(errors="replace") for n in archive.namelist() if "html" in n)
    assert "rule_shares" in names + everything and "published claims" in names + everything


@pytest.mark.parametrize("preset", ["smoke", pytest.param("small", marks=pytest.mark.long)])
def test_presets_dry_run(tmp_path: Path, preset: str) -> None:
    done = snakemake(tmp_path, "--dry-run", **yaml.safe_load((ROOT / f"presets/{preset}.yaml").read_text()))
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout


def test_random_labels_are_a_candidate_that_any_task_can_be_given(tmp_path: Path) -> None:
    """The ceiling on the scale of code lengths: asked for by name, scored, and no rule that a seed could follow."""
    experiment = {"task": "add-or-mul", "sizes": [5], "learners": ["transformer"], "seeds": 1}
    done = snakemake(tmp_path, "tables", experiments=[experiment | {"candidates": ["mem", "random"]}], updates=2)
    assert done.returncode == 0, done.stderr
    assert {row["dataset"] for row in table(tmp_path, "blocks")} == {"mem", "random"}
    classes = {"add", "mul", "mem", "total", "interpolate", "other", "unfit", "diverged"}
    classes |= {"twice_less_capped", "half_less_total"}  # found, and rules of the task since
    assert {row["class"] for row in table(tmp_path, "fpa")} == classes
    assert (tmp_path / "results/data/add-or-mul/5/random/train.src").exists()


@pytest.mark.real_start
@pytest.mark.parametrize(
    "number", [signal.SIGINT, *(pytest.param(each, marks=pytest.mark.long) for each in (signal.SIGTERM, signal.SIGHUP))]
)
def test_ctrl_c_a_kill_or_a_closed_terminal_keep_what_is_done_and_the_next_run_goes_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    experiment = {"task": "hierar-or-linear", "learners": ["transformer"], "seeds": "1-2"}
    config = {"experiments": [experiment], "updates": 80, "engine": "fairseq", "blocks_per_job": 4, "device": "cpu"}
    (tmp_path / "changed.yaml").write_text(yaml.safe_dump(config))
    command = indoubt("run", "tables", "--cores", "1", "--configfile", "changed.yaml")
    run = subprocess.Popen(
        command,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as in a terminal, also below `make test &`
    )
    deadline = time.monotonic() + 120
    while records(tmp_path) < 3 and time.monotonic() < deadline:
        time.sleep(0.2)
    run.send_signal(number)
    _, complaint = run.communicate(timeout=60)
    before = records(tmp_path)
    assert run.returncode == 1 and "finished trainings are kept" in complaint and "again to resume" in complaint
    assert 3 <= before < 14
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout + again.stderr
    lines = [line for path in ledger(tmp_path) for line in path.read_text().splitlines()]
    keys = [json.loads(line)["key"] for line in lines]
    assert len(keys) == len(set(keys)) and len(table(tmp_path, "blocks")) == 2 * 2 * 4


def ledger(folder: Path) -> list[Path]:
    return list((folder / "results/ledger").glob("*/*/*.jsonl"))


def records(folder: Path) -> int:
    """Finished trainings in the ledger."""
    return sum(path.read_bytes().count(b"\n") for path in ledger(folder))


def test_a_wrong_configuration_is_refused_before_anything_runs(tmp_path: Path) -> None:
    done = snakemake(tmp_path, updatse=5)
    assert done.returncode != 0
    assert "unknown key 'updatse'; did you mean 'updates'?" in done.stderr
    assert not (tmp_path / "results/data").exists()


def test_a_results_folder_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("in the way")
    done = snakemake(tmp_path, "data")
    assert done.returncode != 0
    assert "cannot write" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("cell", ["comp-or-mem/5", pytest.param("*/*", marks=pytest.mark.long)])
def test_data_of_the_papers_grid_are_those_that_tests_make(cell: str, tmp_path: Path, results: Path) -> None:
    preset = yaml.safe_load((ROOT / "presets/paper.yaml").read_text())
    if cell != "*/*":
        task, size = cell.split("/")
        preset["experiments"] = [preset["experiments"][0] | {"task": task, "sizes": [int(size)]}]
    done = snakemake(tmp_path, "data", **preset)
    assert done.returncode == 0, done.stderr
    made = [path for kind in ("data", "data-bin") for path in (results / kind).glob(f"{cell}/*/*")]
    assert len(made) >= 4 * (5 + 6)
    for path in made:
        assert (tmp_path / "results" / path.relative_to(results)).read_bytes() == path.read_bytes()


@pytest.mark.real_start
def test_a_lock_that_a_killed_run_left_is_answered_with_what_to_do(tmp_path: Path) -> None:
    experiment = {"task": "hierar-or-linear", "learners": ["transformer"], "seeds": 1, "measures": ["fpa"]}
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({"experiments": [experiment], "updates": 2, "device": "cpu"}))
    locks = tmp_path / ".snakemake/locks"
    locks.mkdir(parents=True)
    outputs = [str(path) for path in ("results/tables/fpa.csv", "results/runs/hierar-or-linear/4/transformer.jsonl")]
    (locks / "0.output.lock").write_text("\n".join(outputs) + "\n")
    (locks / "0.input.lock").write_text("")
    command = indoubt("run", "tables", "--cores", "1", "--configfile", "one.yaml")
    refused = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert refused.returncode == 1 and "was killed before it could take its lock away" in refused.stderr
    said = re.search(r"`(.+ --unlock .+)`", refused.stderr.replace("\n", " "))
    assert said
    subprocess.run(shlex.split(said[1]), cwd=tmp_path, check=True, capture_output=True)
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
