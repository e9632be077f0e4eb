"""The documentation: its examples run, its links lead somewhere, its commands exist."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from indoubt.data.check import check_task
from indoubt.data.task import Task, load_tasks
from indoubt.measures.classify import classify
from indoubt.schema import TABLES
from indoubt.workflow.plan import Plan, trainings_of_a_seed
from tests.shared.workspace import ROOT, indoubt

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


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
    folders = "scripts|presets|benchmarks|envs|profiles|tests|rules|tasks|indoubt"
    for path in re.findall(rf"(?<![\w/-])(?:{folders})/[\w/.-]*\w", text):
        assert (ROOT / path).exists(), path
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for target in re.findall(r"(?:^ {4}|`)make ([a-z-]+)", text, re.MULTILINE):
        assert target in targets, target
    outside = re.findall(r"^ {4}(?:python|snakemake) .*", text, re.MULTILINE)
    assert not outside, "these are in .venv/bin"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_no_path_of_a_machine(page: Path) -> None:
    assert not re.search(r"(?<![\w.])/(?:root|home|tmp|work|Users)/", page.read_text(encoding="utf-8"))


def test_the_lists_of_columns_are_those_of_the_schema() -> None:
    tool = runpy.run_path(str(ROOT / "docs/tools/columns.py"))
    page = (ROOT / "docs/measures.md").read_text(encoding="utf-8")
    assert tool["filled"](page) == page, "write them anew: .venv/bin/python docs/tools/columns.py"
    assert sorted(re.findall(r"<!-- columns of (\w+) -->", page)) == sorted(TABLES)


def test_the_task_of_the_docs_runs(tmp_path: Path) -> None:
    (tmp_path / "my-tasks").mkdir()
    (tmp_path / "my-tasks/reverse_or_copy.py").write_text(blocks("your-task.md", "python")[0])
    config = yaml.safe_load(blocks("your-task.md", "yaml")[0]) | {
        "updates": 3,
        "blocks_per_job": 10,
        "seeds_per_job": 4,
    }
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    command = indoubt("run", "--configfile", "my.yaml", "--cores", "1")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"COLUMNS": "120"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "reverse-or-copy" in done.stdout and "trainings to do" in done.stdout
    assert (tmp_path / "results/figures/reverse-or-copy/rule_shares.svg").exists()
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert "Nothing to do: every result is up to date." in again.stdout


def tasks_of(folder: Path, page: str, block: int, name: str) -> dict[str, Task]:
    """All tasks, with the one that a page shows."""
    (folder / f"{name}.py").write_text(blocks(page, "python")[block])
    return load_tasks([folder])


def test_the_second_task_of_the_docs_says_all_that_a_task_can(tmp_path: Path) -> None:
    task = tasks_of(tmp_path, "your-task.md", 1, "swap_or_copy")["swap-or-copy"]
    for size in task.sizes:
        check_task(task, size)
    assert len(task.training_set(3)) == 6 and task.block_size_at(3) == 2
    trained = [("a", "a"), ("b", "b")]
    assert classify(task, 3, [*trained, ("a", "a"), ("b", "b"), ("a", "c")]) == "first_twice"
    assert classify(task, 3, [*trained, ("a", "a"), ("a", "a"), ("a", "c")]) == "of_the_input"


def test_the_scan_files_of_the_docs_make_a_task(tmp_path: Path) -> None:
    (tmp_path / "tasks_train_simple.txt").write_text("IN: walk OUT: I_WALK\nIN: run twice OUT: I_RUN I_RUN\n")
    (tmp_path / "tasks_test_simple.txt").write_text("IN: walk twice OUT: I_WALK I_WALK\n")
    check_task(tasks_of(tmp_path, "tasks.md", 0, "simple_split")["scan-simple"], 1)


def test_the_page_of_tasks_has_each_task_with_its_numbers(tmp_path: Path) -> None:
    tasks = load_tasks()
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")) | {"engine": "fairseq"}
    content |= {"experiments": [{"task": name, "learners": ["transformer"], "seeds": 1} for name in tasks]}
    plan = Plan(content, tmp_path)

    def trainings(task: Task, size: int) -> int:
        cell = plan.cell(task.name, size, "transformer")
        return sum(plan.n_trainings(cell, chunk) for chunk in plan.chunks(cell))

    def sent(task: Task, size: int) -> str:
        n, scored = len(task.holdout_inputs(size)), len(task.scored_inputs(size))
        return f"{n}" if n == scored else f"{n} ({scored})"

    def listed(of: Callable[[int], object], task: Task) -> str:
        return ", ".join(str(of(size)) for size in task.sizes)

    assert all(
        trainings_of_a_seed(task, size) == trainings(task, size) for task in tasks.values() for size in task.sizes
    )
    rows = [line.strip("| ").split(" | ") for line in (ROOT / "docs/tasks.md").read_text().splitlines()]
    found = {row[0]: row[1:] for row in rows if len(row) == 7 and row[0] in tasks}
    assert set(found) == set(tasks)
    for name, task in tasks.items():
        assert found[name] == [
            listed(lambda size: size, task),
            listed(lambda size: len(task.training_inputs(size)), task),  # noqa: B023
            listed(lambda size: sent(task, size), task),  # noqa: B023
            ", ".join(task.candidates),
            ", ".join([*task.further_rules, *task.answers]) or "–",
            listed(lambda size: trainings(task, size), task),  # noqa: B023
        ]


def test_the_learner_of_the_docs_is_one(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    mine = yaml.safe_load(next(block for block in blocks("your-learner.md", "yaml") if "transformer-deep" in block))
    content["learners"] |= mine.pop("learners")
    learner = Plan(content | mine, tmp_path).learners["transformer-deep"]
    assert learner.updates == 2000 and learner.arguments["encoder_layers"] == 4


def test_the_module_of_the_docs_runs_and_so_do_hugging_faces(tmp_path: Path) -> None:
    (tmp_path / "my").mkdir()
    (tmp_path / "my/mine.py").write_text(blocks("your-learner.md", "python")[0])
    config, hugging_face = map(yaml.safe_load, blocks("your-learner.md", "yaml")[:2])
    learners = config["learners"] | hugging_face["learners"]
    experiment = config["experiments"][0] | {"learners": ["mine", "memory", "llama", "t5"], "seeds": "1-2"}
    config = {"learners": learners, "experiments": [experiment | {"measures": ["fpa"]}], "updates": 3, "device": "cpu"}
    (tmp_path / "my.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "1"]
    command += [f"results/runs/add-or-mul/5/{learner}.jsonl" for learner in experiment["learners"]]
    done = subprocess.run([*command, "--configfile", "my.yaml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for learner in ("mine", "memory", "llama", "t5"):
        log = next((tmp_path / f"results/logs/train/add-or-mul/5/{learner}").glob("*.log")).read_text()
        assert "2 trainings, 2 to do" in log and len(log.splitlines()) == 4  # nothing from Hugging Face


def test_the_python_of_the_docs_runs(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("\n".join(blocks("python.md", "python")))
    command = [sys.executable, "own.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and "unfit" in done.stdout, done.stderr
    assert "hierar-or-linear" in (tmp_path / "page.html").read_text()


def test_every_named_learner_that_is_a_module_is_one(tmp_path: Path) -> None:
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    slow = {"gru", "gru-attention", "rnn"}  # 4 s each; their kind is tested with the small ones
    names = [name for name, defined in content["learners"].items() if "arch" not in defined and name not in slow]
    experiment = {"task": "add-or-mul", "sizes": [5], "learners": names, "seeds": "1", "measures": ["fpa"]}
    plan = Plan(content | {"experiments": [experiment]}, tmp_path)
    assert plan.notices() == [] and set(plan.tried) == set(names)
    assert {plan.engine(name) for name in names} == {"modules"}


def plan_of_example(folder: Path, number: int) -> Plan:
    """The configuration of docs/moving.md's example, over the default one."""
    content = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    own = yaml.safe_load(blocks("moving.md", "yaml")[number])
    content["learners"] |= own.pop("learners", {})
    return Plan(content | own, folder)


def test_the_milestones_of_the_docs_are_looked_at(tmp_path: Path) -> None:
    plan = plan_of_example(tmp_path, 0)
    assert plan.looked_at("hierar-or-linear") == {"fpa"}
    assert plan.looked_at("add-or-mul") == {"fpa", "code_length"}


def test_the_sweep_of_the_docs_spans_six_learners(tmp_path: Path) -> None:
    plan = plan_of_example(tmp_path, 1)
    assert len(plan.sweeps["swept"]) == 6 and "swept,dropout=0.2,encoder_layers=2" in plan.sweeps["swept"]


def test_the_steps_of_the_docs_are_equal(tmp_path: Path) -> None:
    cells = plan_of_example(tmp_path, 2).cells.values()
    assert [cell.until.ends for cell in cells if cell.until] == [(12, 24, 36, 48, 60, 72, 84, 96, 100)] * 2 and len(
        cells
    ) == 2
