"""`make status`, `make plan`, `make estimate` and `make archive`, on a ledger with real trainings."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from indoubt.data.binary import load_dataset
from indoubt.data.datasets import dataset_digest, dataset_in_memory
from indoubt.errors import UserError
from indoubt.workflow.cells import CellPlan
from indoubt.workflow.config_files import content_of, plan_of
from indoubt.workflow.heartbeat import heartbeat, signs
from indoubt.workflow.missing import as_measured, belong
from indoubt.workflow.plan import Plan
from tests.data.test_content import write
from tests.shared.archives import tarred
from tests.shared.tasks import released_tasks
from tests.shared.workspace import EXPERIMENT, ROWS, SMALL, Workspace, indoubt

pytestmark = pytest.mark.xdist_group("standing")
CELL = "hierar-or-linear/4/transformer"
ONE_SEED = SMALL | {"experiments": [EXPERIMENT | {"seeds": 1}]}


def ask(workspace: Workspace, *words: str, succeeds: bool = True) -> str:
    """What a command says of a workspace's configuration."""
    done = subprocess.run(
        indoubt(*words, code=workspace.code), cwd=workspace.here, capture_output=True, text=True, check=False
    )
    assert (done.returncode == 0) == succeeds, done.stderr
    return done.stdout if succeeds else done.stderr


def why(workspace: Workspace) -> str:
    return ask(workspace, "plan", "--configfile", "our.yaml")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """One seed of one cell: 7 trainings."""
    workspace = Workspace(tmp_path_factory.mktemp("finished") / "it", ONE_SEED)
    assert why(workspace).startswith("7 trainings to do: none has been done so far.\n")
    workspace.run("tables")
    return workspace


@pytest.fixture
def ours(finished: Workspace, tmp_path: Path) -> Workspace:
    return finished.copy(tmp_path / "ours")


def test_datasets_in_memory_are_those_on_disk(results: Path) -> None:
    for task in released_tasks().values():
        for size in task.sizes:
            for name in task.datasets:
                ours, theirs = (
                    dataset_in_memory(task, size, name),
                    load_dataset(results / f"data-bin/{task.name}/{size}/{name}"),
                )
                assert ours.source_vocabulary.symbols == theirs.source_vocabulary.symbols
                assert ours.target_vocabulary.symbols == theirs.target_vocabulary.symbols
                assert (ours.examples, ours.test_sources) == (theirs.examples, theirs.test_sources)


def test_why(ours: Workspace) -> None:
    """Each reason in words; and in Snakemake's dry run too."""
    assert why(ours).startswith("No training to do: all 7 are in the ledger.\n")
    ours.configure(SMALL)
    assert f"{CELL}: 7 of 14: not trained so far" in why(ours)
    ours.configure(ONE_SEED | {"updates": 3})
    assert f"7 of 7 trainings to do, 0 are in the ledger. Why:\n  {CELL}: 7 of 7: changed: updates from 2 to 3" in why(
        ours
    )
    ours.configure(ONE_SEED | {"learners": {"transformer": {"dropout": 0.4}}, "rng_streams": "released"})
    assert "changed: dropout from 0.5 to 0.4, rng_streams from independent to released" in why(ours)
    edited = ours.code / "indoubt/engines/backend.py"
    edited.write_text(edited.read_text().replace("CHECK_EVERY = 100", "CHECK_EVERY = 101"))
    ours.configure(ONE_SEED)
    sentence = f"{CELL}: 7 of 7: the code that trains has changed since they were trained"
    assert sentence in why(ours)
    ours.run("--dry-run")
    assert sentence in ours.output()


def test_a_learner_that_is_added_leaves_nothing_to_do_for_the_others(ours: Workspace) -> None:
    experiment = EXPERIMENT | {"seeds": 1, "learners": ["transformer", "added"], "measures": ["fpa", "code_length"]}
    ours.configure(ONE_SEED | {"learners": {"added": {"module": "s4d"}}, "experiments": [experiment]})
    text = why(ours)
    assert "7 of 14 trainings to do, 7 are in the ledger" in text
    assert f"{CELL.replace('transformer', 'added')}: 7 of 7: not trained so far" in text and f"{CELL}:" not in text


def test_why_of_a_new_candidate(tmp_path: Path) -> None:
    workspace = Workspace(
        tmp_path / "it", SMALL | {"experiments": [EXPERIMENT | {"seeds": 1, "candidates": ["hierar"]}]}
    )
    workspace.run(ROWS)
    workspace.configure(ONE_SEED)
    text = why(workspace)
    assert f"{CELL}: 3 of 7: not trained so far on these examples (a new candidate" in text
    assert "more is asked of them" not in text  # T's training has scored the first blocks of all rules


def test_trainings_that_stand_there_twice_with_other_numbers_are_said_and_the_later_ones_count(
    ours: Workspace, tmp_path: Path
) -> None:
    (path,) = ours.here.glob("results/ledger/*/*/*.jsonl")
    again = json.loads(path.read_text().splitlines()[0])
    assert "more than once" not in why(ours)
    (path.parent / "0-the-same.jsonl").write_text(json.dumps(again | {"time": time.time()}) + "\n")
    assert "more than once" not in why(ours)
    again["nats"] = {key: nats + 1 for key, nats in again["nats"].items()}
    (path.parent / "0-another.jsonl").write_text(json.dumps(again | {"time": 1.0, "engine": "before"}) + "\n")
    sentence = (
        f"with different numbers; of each the latest record counts, as a whole: 1 of {CELL}. The first: {CELL}, seed 1"
    )
    for text in (why(ours), ask(ours, "status", "--configfile", "our.yaml")):
        assert f"1 training stands in the ledger more than once, {sentence}" in text and "by before on cpu" in text
    ask(ours, "archive", "pack", "--configfile", "our.yaml")
    archive = ours.here / "results/doubt-archive.tar.gz"
    ask(ours, "archive", "rebuild", "--tables", str(archive), "--results", "rebuilt")
    assert (ours.here / "rebuilt/tables/blocks.csv").read_bytes() == (
        ours.here / "results/tables/blocks.csv"
    ).read_bytes()


def test_a_dataset_is_that_of_its_plan_whatever_plans_came_before(tmp_path: Path) -> None:
    """Plans of one session, one after the other, each with another task of the same name."""
    tasks = [write(tmp_path / str(n), held_out=f"a b\n{'a ' * n}b\n") for n in range(2, 8)]
    found = set()
    for task in tasks:
        plan = SimpleNamespace(tasks={"mine": task}, learners={"one": None}, protocol=None, starts={})
        cell = as_measured(plan, CellPlan("mine", 1, "one", {1: ["fpa"]}))  # type: ignore[arg-type]
        assert cell.datasets["fpa"].digest == dataset_digest(task, 1, "fpa")
        found.add(cell.datasets["fpa"].digest)
        del plan, cell
    assert len(found) == len(tasks)


def test_status(ours: Workspace) -> None:
    ours.configure(SMALL | {"experiments": [EXPERIMENT | {"seeds": "1-4"}]})
    job = {"task": "hierar-or-linear", "size": 4, "learner": "transformer", "blocks": [0, 3]}
    running = ours.here / "results/running"
    for seed in (2, 3):
        with pytest.raises(RuntimeError), heartbeat(running, job | {"seeds": [seed, seed]}):
            raise RuntimeError("no luck")
    with heartbeat(running, job | {"seeds": [2, 2]}):
        text = ask(ours, "status", "--configfile", "our.yaml")
    numbers = next(line for line in text.splitlines() if line.startswith(CELL)).split()[1:]
    assert numbers == ["28", "7", "0", "7", "7", "7"], "trainings, done, diverged, running, failed, missing"
    assert "1 job running; 7 trainings in the last hour; at their rate " in text and " left." in text
    assert "seeds 3, blocks 0-3 on " in text and "failed: RuntimeError: no luck" in text


def test_a_job_without_a_sign_of_life_is_dead(tmp_path: Path) -> None:
    job = {"task": "add-or-mul", "size": 5, "learner": "cnn", "seeds": [1, 1], "blocks": [0, 0]}
    with heartbeat(tmp_path, job):
        assert [sign.state for sign in signs(tmp_path)] == ["running"]
        (path,) = tmp_path.iterdir()
        os.utime(path, (time.time() - 1000, time.time() - 1000))
        assert [sign.state for sign in signs(tmp_path)] == ["dead"]
    assert signs(tmp_path) == []


def expected_of_a_seed(workspace: Workspace, updates: int) -> float:
    """Seconds of a seed's trainings, before anything is measured."""
    content = content_of([str(workspace.here / "our.yaml")], []) | {"updates": updates}
    plan = Plan(content, workspace.here / "results/.cache")
    cell = plan.cell(*CELL.split("/"))
    return plan.seconds(cell, plan.chunks(cell)[0])


def test_estimate(ours: Workspace) -> None:
    learners = ["transformer", "cnn"]
    experiments = [EXPERIMENT | {"learners": learners}, {"task": "add-or-mul", "learners": learners, "seeds": 1}]
    ours.configure(SMALL | {"updates": 20, "experiments": experiments})
    lines = ask(ours, "estimate", "--configfile", "our.yaml").splitlines()
    by_cell = {line.split()[0]: line for line in lines if "/" in line.split(" ")[0]}
    assert "7 trainings of this cell" in by_cell[CELL]
    assert "7 trainings of this learner elsewhere" in by_cell["add-or-mul/5/transformer"]
    assert "nothing measured" in by_cell["add-or-mul/5/cnn"]
    seconds = [record["seconds"] for record in ours.records()]
    more = expected_of_a_seed(ours, 20) / expected_of_a_seed(ours, SMALL["updates"])
    assert 5 < more < 10  # ten times the updates, but outputs are decoded once
    assert float(by_cell[CELL].split()[2]) == pytest.approx(more * sum(seconds) / len(seconds), abs=0.0051)
    assert any(line.startswith("156 trainings: ") and line.endswith("CPU-hours.") for line in lines)
    ours.configure(SMALL | {"updates": 30, "experiments": experiments})  # what was trained is less than a tenth of it
    lines = ask(ours, "estimate", "--configfile", "our.yaml").splitlines()
    assert sum("nothing measured" in line for line in lines) == 10  # every cell
    assert any("at least a tenth of their updates" in line for line in lines)


def test_an_archive_rebuilds_the_tables_elsewhere_without_training(ours: Workspace, tmp_path: Path) -> None:
    ask(ours, "archive", "pack", "--configfile", "our.yaml")
    archive = ours.here / "results/doubt-archive.tar.gz"
    other = Workspace(tmp_path / "other", ONE_SEED)
    assert "snakemake --cores 2 --configfile results/archived/config.yaml" in ask(
        other, "archive", "unpack", str(archive)
    )
    ask(other, "archive", "unpack", str(archive))  # twice does no harm
    (other.here / "our.yaml").write_bytes((other.here / "results/archived/config.yaml").read_bytes())
    n_records = len(other.records())
    ran = other.run("results/tables/blocks.csv")
    assert ran["train"] == 1 and len(other.records()) == n_records == 7
    for table in ("blocks.csv", "fpa.csv", "code_length.csv"):
        expected = (ours.here / "results/tables" / table).read_bytes()
        assert (other.here / "results/tables" / table).read_bytes() == expected
        assert (other.here / "results/archived/tables" / table).read_bytes() == expected


def test_tables_of_another_configuration_are_left_out_of_an_archive(
    ours: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def packed(change: dict[str, object]) -> tuple[set[str], str]:
        (ours.here / "other.yaml").write_text(yaml.safe_dump(ONE_SEED | change))
        script = indoubt("archive", "pack", "--configfile", "other.yaml", code=ours.code)
        done = subprocess.run(script, cwd=ours.here, capture_output=True, text=True, check=True)
        with tarfile.open(ours.here / "results/doubt-archive.tar.gz") as tar:
            return {name.split("/")[0] for name in tar.getnames()}, done.stderr

    assert packed({}) == ({"manifest.json", "config.yaml", "ledger", "tables"}, "")
    said = "left out: results/tables and its page are not of this configuration as it is; run the workflow first\n"
    without = ({"manifest.json", "config.yaml", "ledger"}, said)
    assert packed({"experiments": [EXPERIMENT | {"seeds": 2}]}) == without
    monkeypatch.chdir(ours.here)
    in_steps = {"from": 1, "at_most": 4, "until": "sure"}
    changes: list[tuple[dict[str, object], bool]] = [
        ({"experiments": [EXPERIMENT | {"seeds": "1-2"}]}, False),  # more seeds than there are
        ({"experiments": [EXPERIMENT | {"seeds": 1, "measures": ["fpa"]}]}, False),  # codes that nobody asks for
        ({"experiments": [EXPERIMENT | {"seeds": in_steps}]}, True),  # the first look is enough, perhaps
        ({"updates": 3}, False),  # other trainings of the same names
    ]
    for change, are_its in changes:
        plan = Plan(content_of(["our.yaml"], []) | change, tmp_path / "cache")
        assert belong(Path("results/tables"), plan) == are_its, change
    assert not belong(tmp_path, plan)


def test_damaged_and_foreign_archives_are_refused(ours: Workspace, tmp_path: Path) -> None:
    ask(ours, "archive", "pack", "--configfile", "our.yaml")
    archive = ours.here / "results/doubt-archive.tar.gz"
    whole = archive.read_bytes()
    other = Workspace(tmp_path / "other", ONE_SEED)

    def refusal() -> str:
        text = ask(other, "archive", "unpack", str(archive), succeeds=False)
        assert text.startswith("error: ") and not (other.here / "results/ledger").exists()
        return text

    archive.write_bytes(whole[: len(whole) // 2])
    assert "is damaged" in refusal()
    archive.write_bytes(b"hello")
    assert "is damaged, or no archive of doubt" in refusal()
    archive.write_bytes(whole)
    unpacked = tmp_path / "unpacked"
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
        names = tar.getnames()
    (record,) = unpacked.glob("ledger/*/*/*.jsonl")
    record.write_text(record.read_text().replace('"status":"ok"', '"status":"OK"', 1))
    with tarfile.open(archive, "w:gz") as tar:
        for name in names:
            tar.add(unpacked / name, name)
    assert "is not what it was when it was packed" in refusal()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(record, "../escape.jsonl")
    assert "is no archive of doubt" in refusal()
    manifest = json.loads((unpacked / "manifest.json").read_text())
    (unpacked / "manifest.json").write_text(json.dumps(manifest | {"format": "another"}))
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(unpacked / "manifest.json", "manifest.json")
    assert "is of another format" in refusal()
    older = {key: value for key, value in manifest.items() if key != "measured_by"}
    (unpacked / "manifest.json").write_text(json.dumps(older | {"codes": ["0123456789abcdef"]}))
    (unpacked / record.relative_to(unpacked)).write_bytes(tarred(whole, str(record.relative_to(unpacked))))
    with tarfile.open(archive, "w:gz") as tar:
        for name in names:
            tar.add(unpacked / name, name)
    assert "is foreign: its trainings were done by other code" in refusal()


def test_what_other_code_measured_is_rebuilt_and_not_trained_on(ours: Workspace, tmp_path: Path) -> None:
    ask(ours, "archive", "pack", "--configfile", "our.yaml")
    archive = ours.here / "results/doubt-archive.tar.gz"
    other = Workspace(tmp_path / "other", ONE_SEED)
    edited = other.code / "indoubt/engines/backend.py"
    edited.write_text(edited.read_text().replace("CHECK_EVERY = 100", "CHECK_EVERY = 101"))
    assert "Measured by other code than this, and taken as they are: transformer." in ask(
        other, "archive", "unpack", str(archive)
    )
    expected = (ours.here / "results/tables/blocks.csv").read_bytes()
    assert "report/index.html" in ask(other, "archive", "rebuild", str(archive), "--results", "rebuilt")
    for table in ("blocks.csv", "fpa.csv", "code_length.csv", "paper_table.md"):
        there = (other.here / "rebuilt/tables" / table).read_bytes()
        assert there == (ours.here / "results/tables" / table).read_bytes()
    assert "transformer" in (other.here / "rebuilt/report/index.html").read_text()
    config = yaml.safe_load((other.here / "results/archived/config.yaml").read_text())
    other.configure(config)
    other.run("results/tables/blocks.csv")
    assert len(other.records()) == 7
    assert (other.here / "results/tables/blocks.csv").read_bytes() == expected
    other.configure(config | {"experiments": [EXPERIMENT | {"seeds": 2}]})
    other.run("results/tables/blocks.csv", succeeds=False)
    refused = "".join(path.read_text() for path in other.here.glob("results/logs/train/**/*.log"))
    assert (
        "take the learner out of it to train all of its trainings by today's" in refused and len(other.records()) == 7
    )
    other.configure({key: value for key, value in config.items() if key != "measured_by"})
    assert "7 of 7: the code that trains has changed" in why(other)


def test_a_run_that_was_stopped_is_packed_as_far_as_seeds_are_whole(ours: Workspace, tmp_path: Path) -> None:
    more = [EXPERIMENT | {"seeds": "1-3"}, EXPERIMENT | {"seeds": 4, "measures": ["fpa"]}]
    (ours.here / "more.yaml").write_text(yaml.safe_dump(SMALL | {"experiments": more}))
    ask(ours, "archive", "pack", "--configfile", "more.yaml", "--measured", "--output", "some.tar.gz")
    config = yaml.safe_load(tarred((ours.here / "some.tar.gz").read_bytes(), "config.yaml"))
    assert config["experiments"] == [EXPERIMENT | {"sizes": [4], "learners": ["transformer"], "seeds": "1"}]
    (ours.here / "more.yaml").write_text(yaml.safe_dump(SMALL | {"experiments": [EXPERIMENT | {"seeds": 9}]}))
    refused = ask(ours, "archive", "pack", "--configfile", "more.yaml", "--measured", succeeds=False)
    assert "no seed of this configuration has all of its trainings" in refused


def test_options_are_merged_as_snakemake_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.yaml").write_text(yaml.safe_dump({"updates": 5, "learners": {"cnn": {"dropout": 0.1}}}))
    content = content_of(["one.yaml"], ["updates=6", "device=cpu"])
    assert (content["updates"], content["device"]) == (6, "cpu")
    assert content["learners"]["cnn"]["dropout"] == 0.1 and content["learners"]["cnn"]["arch"] == "fconv"
    with pytest.raises(UserError, match="cannot be read"):
        plan_of(["missing.yaml"], [], tmp_path)
    (tmp_path / "one.yaml").write_text("{")
    with pytest.raises(UserError, match="is no YAML"):
        plan_of(["one.yaml"], [], tmp_path)


def test_new_milestones_train_t_again_and_the_plan_says_so(ours: Workspace) -> None:
    looked_at = {"milestones": [1], "milestone_measures": ["fpa"]}
    ours.configure(SMALL | {"experiments": [EXPERIMENT | {"seeds": 1} | looked_at]})
    assert "1 of 7 trainings to do" in why(ours) and "looked at during training at new milestones" in why(ours)
    before = len(ours.records())
    ours.run("tables")
    assert len(ours.records()) == before + 1
    assert why(ours).startswith("No training to do: all 7 are in the ledger.\n")
    with (ours.here / "results/tables/trajectories.csv").open() as file:
        assert {row["update"] for row in csv.DictReader(file)} == {"1", "2"}
