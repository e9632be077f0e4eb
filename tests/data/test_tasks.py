"""Tasks: the original's data to the byte, and what makes a task ambiguous."""

from __future__ import annotations

import hashlib
from itertools import combinations
from pathlib import Path

import pytest

from doubt.data.task import Task, check_size, find_task, load_tasks, words
from doubt.errors import UserError
from tests.shared.workspace import ROOT

TASKS = load_tasks()
CELLS = [(task, size) for task in TASKS.values() for size in task.sizes]
REFERENCE = ROOT / "tests/shared/reference/data.sha256"

OWN_TASK = '''
from doubt import Task

class Reverse(Task):
    """Is the rule "backwards" or "the same"?"""
    name = "reverse"
    sizes = (2, 3)
    candidates = {"backwards": lambda source, size: source[::-1], "same": lambda source, size: source}
    def training_inputs(self, size):
        return [("a",) * size]
    def holdout_inputs(self, size):
        return [("a",) * size + ("b",)]
'''


def test_all_checksums_of_the_original_data_hold(results: Path) -> None:
    lines = [line.split() for line in REFERENCE.read_text().splitlines()]
    assert len(lines) == 172
    wrong = [path for checksum, path in lines if hashlib.sha256((results / path).read_bytes()).hexdigest() != checksum]
    assert wrong == []


def test_valid_files_equal_test_files(results: Path) -> None:
    for folder in (results / "data").glob("*/*/*"):
        for side in ("src", "dst"):
            assert (folder / f"valid.{side}").read_bytes() == (folder / f"test.{side}").read_bytes()


@pytest.mark.parametrize(("task", "size"), CELLS, ids=lambda v: v.name if isinstance(v, Task) else str(v))
def test_candidates_agree_on_T_and_each_pair_differs_on_H(task: Task, size: int) -> None:
    for source in task.training_inputs(size):
        assert len({rule(source, size) for rule in task.candidates.values()}) == 1
    for one, other in combinations(task.candidates.values(), 2):
        assert any(one(source, size) != other(source, size) for source in task.holdout_inputs(size))


@pytest.mark.parametrize(("task", "size"), CELLS, ids=lambda v: v.name if isinstance(v, Task) else str(v))
def test_T_and_H_share_no_input_and_are_what_is_decoded(task: Task, size: int) -> None:
    training, holdout = task.training_inputs(size), task.holdout_inputs(size)
    assert len(set(training + holdout)) == len(training) + len(holdout)
    assert sorted(task.test_inputs(size)) == sorted(training + holdout)


@pytest.mark.parametrize(
    ("task", "size", "source", "outputs"),
    [
        ("count-or-mem", 10, "a a", {"count": "b b", "mem": "b b b b b b b b b b"}),
        ("count-or-mem", 10, "", {"count": "", "mem": "b b b b b b b b b b"}),
        ("add-or-mul", 5, "a a a", {"add": "b b b b b b b b", "mul": "b b b b b b", "mem": "b b b b b b b b b b"}),
        ("hierar-or-linear", 4, "a a b a a", {"hierar": "b", "linear": "a"}),
        ("hierar-or-linear", 4, "b b b b b b a b b b b b b", {"hierar": "a", "linear": "b"}),
        ("comp-or-mem", 5, "F b", {"compo": "B B B", "mem_prim": "B", "mem_func": "A A A"}),
        ("comp-or-mem", 5, "F a", {"compo": "A A A", "mem_prim": "A A A", "mem_func": "A A A"}),
        ("comp-or-mem", 5, "c", {"compo": "C", "mem_prim": "C", "mem_func": "C"}),
    ],
)
def test_outputs_of_candidates(task: str, size: int, source: str, outputs: dict[str, str]) -> None:
    given = {name: " ".join(rule(words(source), size)) for name, rule in TASKS[task].candidates.items()}
    assert given == outputs


def test_sizes_of_T_and_number_of_blocks() -> None:
    T = {(t.name, s): len(t.training_inputs(s)) for t, s in CELLS}
    blocks = {(t.name, s): t.n_blocks(s) for t, s in CELLS}
    assert T["comp-or-mem", 20] == 21 and T["hierar-or-linear", 4] == 4 and T["add-or-mul", 5] == 1
    assert blocks["count-or-mem", 40] == 20 and blocks["add-or-mul", 5] == 6
    assert blocks["hierar-or-linear", 4] == 4 and blocks["comp-or-mem", 20] == 19


@pytest.mark.parametrize("place", ["doubt", "doubt.tasks"])  # the second: as task files of doubt 0.1 have it
def test_a_task_of_ones_own_is_a_file_in_a_folder(tmp_path: Path, place: str) -> None:
    (tmp_path / "reverse.py").write_text(OWN_TASK.replace("from doubt import", f"from {place} import"))
    tasks = load_tasks([tmp_path])
    assert set(tasks) == {*TASKS, "reverse"}
    assert tasks["reverse"].holdout_set(2, "backwards") == [(("a", "a", "b"), ("b", "a", "a"))]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (('name = "reverse"', 'name = "add-or-mul"'), "two tasks are called 'add-or-mul'"),
        (("sizes = (2, 3)", ""), "class Reverse lacks sizes"),
        (("def holdout_inputs", "def holdout_input"), "class Reverse lacks holdout_inputs"),
        (('"same": ', '"unfit": '), "candidate name 'unfit' is reserved"),
        (('name = "reverse"', 'name = "Re verse"'), "task name 'Re verse'"),
        (("sizes = (2, 3)", "sizes = ()"), "sizes must be whole numbers"),
        (("class Reverse(Task)", "class Reverse()"), "must define exactly one subclass"),
        (("from doubt import", "from doubts import"), "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_faulty_task_file_is_refused_with_its_fault(tmp_path: Path, change: tuple[str, str], complaint: str) -> None:
    (tmp_path / "reverse.py").write_text(OWN_TASK.replace(*change))
    with pytest.raises(UserError, match=complaint):
        load_tasks([tmp_path])


def test_candidates_that_disagree_on_T_are_refused(tmp_path: Path) -> None:
    (tmp_path / "reverse.py").write_text(OWN_TASK.replace('[("a",) * size]', '[("a", "b")]'))
    with pytest.raises(UserError, match="disagree on the training input 'a b'"):
        load_tasks([tmp_path])["reverse"].training_set(2)


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no task 'add-or-mull'.*did you mean 'add-or-mul'"):
        find_task("add-or-mull", TASKS)
    with pytest.raises(UserError, match="has no size 7; its sizes are 5, 10, 15, 20"):
        check_size(TASKS["add-or-mul"], 7)
    with pytest.raises(UserError, match="does not exist"):
        load_tasks(["no-such-folder"])
