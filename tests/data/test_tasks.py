"""Tasks: the original's data to the byte, and what makes a task ambiguous."""

from __future__ import annotations

import hashlib
from itertools import combinations, product
from pathlib import Path

import pytest

from indoubt.data.check import check_task
from indoubt.data.task import Task, check_size, find_task, load_tasks, words
from indoubt.errors import UserError
from tests.shared.workspace import ROOT

TASKS = load_tasks()
CELLS = [(task, size) for task in TASKS.values() for size in task.sizes]
REFERENCE = ROOT / "tests/shared/reference/data.sha256"

OWN_TASK = '''
from indoubt import Task

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
def test_rules_agree_on_T_and_each_pair_differs_on_H(task: Task, size: int) -> None:
    """Candidates also on what is sent of H; further rules, which may be silent, too."""
    rules = {**task.candidates, **task.further_rules}
    for source in set(task.training_inputs(size)):
        assert len({rule(source, size) for rule in rules.values()} - {None}) == 1
    holdout = task.holdout_inputs(size)
    speaking = [n for n in rules if n not in task.found_on or any(rules[n](s, size) is not None for s in holdout)]
    for one, other in combinations([rules[name] for name in speaking], 2):
        assert any(one(source, size) != other(source, size) for source in task.holdout_inputs(size))
    for one, other in combinations(task.candidates.values(), 2):
        assert any(one(source, size) != other(source, size) for source in task.scored_inputs(size))


@pytest.mark.parametrize(("task", "size"), CELLS, ids=lambda v: v.name if isinstance(v, Task) else str(v))
def test_T_and_H_share_no_input_and_all_that_classifies_is_decoded(task: Task, size: int) -> None:
    training, holdout = set(task.training_inputs(size)), task.holdout_inputs(size)
    assert len(set(holdout)) == len(holdout) and not training & set(holdout)
    tested = task.test_inputs(size)
    assert len(set(tested)) == len(tested) and {*task.fit_inputs(size), *holdout} <= set(tested) <= {
        *training,
        *holdout,
    }
    assert set(task.scored_inputs(size)) <= set(holdout) and set(task.fit_inputs(size)) <= training
    for answer, rule in product(task.answers.values(), task.candidates.values()):
        assert all(isinstance(answer(source, rule(source, size), size), bool) for source in holdout[:50])
    check_task(task, size)


#: Trainings per seed of the code lengths of all candidates, T's among them, and the blocks K.
COSTS = [
    ("oddone-or-linear", 4, 12, 34),
    ("odd-or-place", 4, 5, 25),
    ("mul-by-3", 5, 6, 21),
    ("copy-or-reverse", 4, 2, 5),
    ("copy-or-reverse", 5, 3, 9),
    ("copy-or-reverse", 6, 7, 25),
    ("first-last-majority-parity", 5, 3, 9),
    ("first-last-majority-parity", 7, 14, 53),
    ("scan-add-jump", 1, 5, 13),
    ("scan-twice-thrice-jump", 1, 7, 19),
    ("agreement", 64, 4, 13),
    ("question", 384, 4, 13),
    ("count-wrap-saturate", 10, 9, 25),
    ("comp-or-mem-40", 6, 34, 67),
    ("comp-or-mem-40", 36, 4, 7),
    ("compo2", 24, 5, 13),
    ("oddone-or-hierar-mirr-cofr-paren", 4, 5, 9),
    ("mutual-exclusivity", 8, 1, 1),
]


@pytest.mark.parametrize(("name", "size", "blocks", "trainings"), COSTS)
def test_blocks_and_trainings_per_seed(name: str, size: int, blocks: int, trainings: int) -> None:
    task = TASKS[name]
    assert task.n_blocks(size) == blocks
    assert 1 + len(task.candidates) * (blocks - 1) == trainings


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
        ("oddone-or-linear", 4, "b a a a a", {"hierar": "a", "linear": "a", "oddone": "b"}),
        ("oddone-or-linear", 4, "a a a a b a a", {"hierar": "a", "linear": "b", "oddone": "b"}),
        ("oddone-or-hierar-mirr-pcfg", 4, "a b b b a", {"hierar": "b", "oddone": "a"}),
        ("oddone-or-hierar-mirr-cofr-paren", 4, "[ a [ b [ b ] b ] a ]", {"hierar": "b", "oddone": "a"}),
        ("compo2", 6, "F 60", {"compo": "O60 O60 O60", "mem_prim": "O60", "mem_func": "O1 O1 O1"}),
        ("compo2", 6, "F 5", {"compo": "O5 O5 O5", "mem_prim": "O5 O5 O5", "mem_func": "O5 O5 O5"}),
        ("comp-or-mem-40", 6, "F p9", {"comp": "o9 o9 o9", "mem": "o9"}),
        (
            "scan-jump",
            1,
            "jump twice after look",
            {"compo": "I_LOOK I_JUMP I_JUMP", "mem": "I_JUMP", "subst": "I_LOOK I_WALK I_WALK"},
        ),
        (
            "scan-twice-thrice-jump",
            1,
            "jump left twice",
            {
                "compo": "I_TURN_LEFT I_JUMP I_TURN_LEFT I_JUMP",
                "mem": "I_TURN_LEFT I_JUMP",
                "subst": "I_TURN_LEFT I_WALK I_TURN_LEFT I_WALK",
            },
        ),
        (
            "odd-or-place",
            4,
            "a b b a a",
            {"middle": "b", "left": "a", "right": "a", "oddone": "b", "parity": "a", "newcomer": "b"},
        ),
        (
            "mul-by-3",
            5,
            "a a",
            {"mem": "b " * 14 + "b", "add": "b " * 11 + "b", "affine": "b " * 8 + "b", "mul": "b " * 5 + "b"},
        ),
        (
            "copy-or-reverse",
            5,
            "a a b b b",
            {"copy": "a a b b b", "reverse": "b b b a a", "mirror_left": "a a b a a", "mirror_right": "b b b b b"},
        ),
        ("first-last-majority-parity", 5, "b a a b a", {"first": "b", "last": "a", "majority": "a", "parity": "a"}),
        (
            "agreement",
            64,
            "my dogs near the cat jumped present",
            {
                "subject": "my dogs near the cat jump",
                "recent": "my dogs near the cat jumps",
                "any_plural": "my dogs near the cat jump",
                "all_plural": "my dogs near the cat jumps",
            },
        ),
        (
            "question",
            96,
            "the dog who does sleep doesn't swim quest",
            {
                "main": "doesn't the dog who does sleep swim",
                "first": "does the dog who sleep doesn't swim",
                "first_kept": "does the dog who does sleep swim",
                "main_kept": "doesn't the dog who sleep doesn't swim",
            },
        ),
        ("count-wrap-saturate", 5, "a a a a a a a", {"count": "b b b b b b b", "wrap": "b b", "saturate": "b b b b b"}),
        ("mutual-exclusivity", 4, "w4", {"unused": "m4", "used_1": "m1", "used_2": "m2", "used_3": "m3"}),
    ],
)
def test_outputs_of_candidates(task: str, size: int, source: str, outputs: dict[str, str]) -> None:
    given = {name: " ".join(rule(words(source), size)) for name, rule in TASKS[task].candidates.items()}
    assert given == outputs


@pytest.mark.parametrize(
    ("task", "size", "source", "output", "holds"),
    [
        ("question", 96, "the dog who does sleep doesn't swim quest", "does the dog who does sleep", {"fronts_first"}),
        ("question", 96, "the dog who does sleep doesn't swim quest", "doesn't the dog sleep", {"fronts_main"}),
        ("question", 96, "the dog who does sleep doesn't swim quest", "the dog who does sleep", set()),
        ("question", 96, "the dog who does sleep doesn't swim quest", "", set()),
        ("mutual-exclusivity", 16, "w16", "m9", {"used"}),
        ("mutual-exclusivity", 16, "w16", "m16", set()),
        ("compo2", 6, "F 60", "O4 O4 O4", {"trained"}),
        ("compo2", 6, "F 60", "O1 O1 O1", {"trained"}),
        ("compo2", 6, "F 60", "O6 O6 O6", {"trained"}),  # the last that F was seen with
        ("compo2", 6, "F 60", "O7 O7 O7", set()),
        ("compo2", 6, "F 60", "O6 O6", set()),
        ("compo2", 1, "F 60", "O1 O1 O1", {"trained"}),
    ],
)
def test_answers_say_of_outputs_what_they_are_called(
    task: str, size: int, source: str, output: str, holds: set[str]
) -> None:
    given = {name for name, answer in TASKS[task].answers.items() if answer(words(source), words(output), size)}
    assert given == holds


def test_sizes_of_T_and_number_of_blocks() -> None:
    T = {(t.name, s): len(t.training_inputs(s)) for t, s in CELLS}
    blocks = {(t.name, s): t.n_blocks(s) for t, s in CELLS}
    assert T["comp-or-mem", 20] == 21 and T["hierar-or-linear", 4] == 4 and T["add-or-mul", 5] == 1
    assert blocks["count-or-mem", 40] == 20 and blocks["add-or-mul", 5] == 6
    assert blocks["hierar-or-linear", 4] == 4 and blocks["comp-or-mem", 20] == 19


def test_a_task_of_ones_own_is_a_file_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "reverse.py").write_text(OWN_TASK)
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
        (
            ("sizes = (2, 3)", "sizes = (2, 3); further_rules = {'same': None}"),
            "two rules or answers are called 'same'",
        ),
        (("sizes = (2, 3)", "sizes = (2, 3); answers = {'none': None}"), "answer name 'none' is reserved"),
        (("sizes = (2, 3)", "sizes = (2, 3); block_size = {2: 1}"), "block_size lacks size 3"),
        (("sizes = (2, 3)", "sizes = (2, 3); block_size = {2: 1, 3: 0}"), "whole number of at least 1, it is 0"),
        (('name = "reverse"', 'name = "Re verse"'), "task name 'Re verse'"),
        (("sizes = (2, 3)", "sizes = ()"), "sizes must be whole numbers"),
        (("class Reverse(Task)", "class Reverse()"), "must define exactly one subclass"),
        (("from indoubt import", "from doubts import"), "cannot be imported: ModuleNotFoundError"),
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
