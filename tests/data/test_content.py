"""A task's content as hashes, and files beside a task that it imports or reads."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from indoubt.data.binary import load_dataset
from indoubt.data.datasets import dataset_digest, rules_digest
from indoubt.data.task import Task, load_tasks
from indoubt.errors import UserError
from indoubt.workflow.rule_params import task_hash
from tests.shared.tasks import released_tasks

HELPER = """
def copy(source, size):
    return source


def back(source, size):
    return source[::-1]
"""
TASK = """
from pathlib import Path

from indoubt import Symbols, Task
from _shared import back, copy

HELD_OUT = (Path(__file__).parent / "held_out.txt").read_text().splitlines()


def silent_or(source, size):
    return (*source, "a")[: len(source) + EXTRA] if source[0] != source[1] else source


EXTRA = 1


class Mine(Task):
    name = "NAME"
    sizes = (1,)
    candidates = {"copy": copy, "back": back}
    further_rules = {"longer": silent_or}

    def training_inputs(self, size):
        return [("a", "a"), ("b", "b")]

    def holdout_inputs(self, size):
        return [tuple(each.split()) for each in HELD_OUT]
"""


def write(folder: Path, name: str = "mine", helper: str = HELPER, held_out: str = "a b\nb a\n") -> Task:
    """A task with a helper and a data file beside it, loaded anew."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(TASK.replace("NAME", name))
    (folder / "_shared.py").write_text(helper)
    (folder / "held_out.txt").write_text(held_out)
    return load_tasks([folder])[name]


def test_what_a_task_gives_has_the_hash_of_the_files_that_are_made_of_it(results: Path) -> None:
    for task in released_tasks().values():
        for size in task.sizes:
            for name in task.datasets:
                there = load_dataset(results / f"data-bin/{task.name}/{size}/{name}")
                assert there.digest == dataset_digest(task, size, name), (task.name, size, name)


def test_each_edit_of_what_a_task_reads_changes_the_hash_of_what_hangs_on_it(tmp_path: Path) -> None:
    first = write(tmp_path)
    datasets = {name: dataset_digest(first, 1, name) for name in first.datasets}
    again = write(tmp_path)
    assert {name: dataset_digest(again, 1, name) for name in again.datasets} == datasets
    assert task_hash(again) == task_hash(first)
    rule = write(tmp_path, helper=HELPER.replace("[::-1]", "[::-1][:1] * 2"))  # T is the same under it
    changed = {name for name in datasets if dataset_digest(rule, 1, name) != datasets[name]}
    assert changed == {"back"} and rules_digest(rule, 1) != rules_digest(first, 1)
    held_out = write(tmp_path, held_out="a b\nb a\na a b\n")
    changed = {name for name in datasets if dataset_digest(held_out, 1, name) != datasets[name]}
    assert changed == set(datasets), "what is decoded has changed too"


def test_a_rule_that_only_classifies_and_the_code_of_a_helper_count(tmp_path: Path) -> None:
    first = write(tmp_path)
    hashed = task_hash(first)
    file = tmp_path / "mine.py"
    file.write_text(file.read_text().replace("EXTRA = 1", "EXTRA = 0"))
    other = load_tasks([tmp_path])["mine"]
    assert dataset_digest(other, 1, "copy") == dataset_digest(first, 1, "copy")
    assert rules_digest(other, 1) != rules_digest(first, 1)
    helped = write(tmp_path, helper=HELPER + "\n\ndef an_answer_may_use(source):\n    return 1\n")
    assert rules_digest(helped, 1) == rules_digest(first, 1) and task_hash(helped) != hashed


def test_a_task_imports_a_file_beside_it_as_its_neighbours_in_other_folders_do(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "one")
    other = write(tmp_path / "other", "other", helper=HELPER.replace("source[::-1]", 'source + ("a",)'))
    assert one.candidates["back"](("a", "b"), 1) == ("b", "a")
    assert other.candidates["back"](("a", "b"), 1) == ("a", "b", "a")
    assert one.imported == ((tmp_path / "one/_shared.py").resolve(),)
    assert "_shared" not in sys.modules and str(tmp_path / "one") not in sys.path


def test_a_task_called_as_a_module_of_pythons_hides_it_from_nobody(tmp_path: Path) -> None:
    write(tmp_path, "copy")
    import copy

    assert copy.copy([1]) == [1]
    beside = write(tmp_path, helper="from copy import deepcopy\n" + HELPER)  # Python's own, not the task of that name
    assert beside.candidates["back"](("a", "b"), 1) == ("b", "a")


def test_what_a_helper_lacks_is_said_with_the_task(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine.py cannot be imported: ImportError: cannot import name 'back'"):
        write(tmp_path, helper="def copy(source, size):\n    return source\n")
