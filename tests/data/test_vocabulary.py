"""A symbol that is first met when the learner is asked: in every dictionary alike, and known to the learner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from indoubt.data.binary import binarize, load_dataset
from indoubt.data.datasets import dataset_in_memory, text_files, write_dataset
from indoubt.data.task import load_tasks
from indoubt.data.vocabulary import JointVocabulary, Vocabulary
from indoubt.errors import UserError
from indoubt.learner import Learner
from indoubt.measures.code_length import uniform_bits
from indoubt.training import Decode, Protocol
from indoubt.workflow.required_trainings import Cell, chains

TASKS = load_tasks()
TASK = TASKS["mutual-exclusivity"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    for dataset in TASK.datasets:
        write_dataset(TASK, 4, dataset, folder / "text" / dataset)
        binarize(folder / "text" / dataset, folder / "bin" / dataset)
    return folder


def test_all_datasets_have_the_same_dictionaries(folder: Path) -> None:
    found = [load_dataset(folder / "bin" / dataset) for dataset in TASK.datasets]
    assert {each.source_vocabulary.symbols[4:] for each in found} == {("w1", "w2", "w3", "w4")}
    assert {each.target_vocabulary.symbols[4:] for each in found} == {("m1", "m2", "m3", "m4")}
    assert found[0].test_sources[-1] == (7, 2)  # the new word, after T's three


@pytest.mark.parametrize("size", TASK.sizes)
def test_datasets_in_memory_are_those_on_disk(tmp_path: Path, size: int) -> None:
    for dataset in TASK.datasets:
        write_dataset(TASK, size, dataset, tmp_path / "text")
        binarize(tmp_path / "text", tmp_path / "bin")
        read, made = load_dataset(tmp_path / "bin"), dataset_in_memory(TASK, size, dataset)
        assert read.source_vocabulary.symbols == made.source_vocabulary.symbols
        assert read.target_vocabulary.symbols == made.target_vocabulary.symbols
        assert (read.examples, read.test_sources) == (made.examples, made.test_sources)
        assert len(read.source_vocabulary) % 8 == 0


def test_T_is_trained_once_for_all_candidates(folder: Path, learner_of: Callable[..., Learner]) -> None:
    data = {dataset: load_dataset(folder / "bin" / dataset) for dataset in TASK.datasets}
    cell = Cell(data, 3, 1, learner_of("transformer"), Protocol())
    ((training,),) = chains(cell, [(dataset, 1) for dataset in TASK.datasets], range(1))
    assert len(training.scores) == 4 and training.decodes == (Decode(data["fpa"].test_sources, 0),)


def test_the_uniform_code_counts_the_new_symbol() -> None:
    assert uniform_bits(TASK, 4, "unused") == 2 * 3  # one symbol and `</s>`, of a dictionary of eight


def test_only_a_task_that_asks_for_it_has_dictionaries_beside_its_text(folder: Path) -> None:
    assert "dict.src.txt" in text_files(TASK) and "dict.src.txt" not in text_files(TASKS["comp-or-mem"])
    assert {path.name for path in (folder / "text/fpa").iterdir()} == set(text_files(TASK))
    assert (folder / "text/fpa/dict.dst.txt").read_text() == "m1 1\nm2 1\nm3 1\nm4 0\n"


def test_a_symbol_that_the_dictionary_lacks_is_refused(folder: Path, tmp_path: Path) -> None:
    write_dataset(TASK, 4, "fpa", tmp_path / "text")
    (tmp_path / "text/test.src").write_text("w9\n" * 4)
    with pytest.raises(UserError, match=r"test.src has symbols that .*dict.src.txt lacks: w9"):
        binarize(tmp_path / "text", tmp_path / "bin")


def test_a_vocabulary_is_ordered_encodes_and_decodes() -> None:
    vocabulary = Vocabulary.of([("b", "a", "c"), ("c", "b")], unseen=("z", "a", "z", "y"))
    assert vocabulary.own == ("b", "c", "a", "z", "y")  # twice b and c, by name; what is not seen, as given, once
    assert len(vocabulary) == 16 and vocabulary.symbols[9:11] == ("madeupword0000", "madeupword0001")
    assert vocabulary.encode(("a", "q")) == (6, 3, 2)
    assert vocabulary.decode((6, 4, 2)) == vocabulary.decode((6, 4)) == ("a", "b")


def test_a_joint_vocabulary_has_the_targets_ids_then_the_sources_own_then_the_separator() -> None:
    source, target = Vocabulary.of([("a", "x")]), Vocabulary.of([("x", "y")])
    joint = JointVocabulary.of(source.symbols, target.symbols)
    assert joint.sizes == (8, 8, 16) and joint.separator == 9
    assert joint.source_ids[:6] == (0, 1, 2, 3, 8, 4)  # `a` is new, `x` is the target's
    assert joint.source_ids[6:] == target.encode(source.symbols[6:])[:-1]  # filling is filling
