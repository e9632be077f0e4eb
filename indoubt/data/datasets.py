"""Datasets as text, in the file names of the original code, as ids, and as hashes of all that a task reads.

One example a line, symbols separated by blanks. A task may take examples and rules from other files, so that its own
text says little of what it asks. A workflow that takes these hashes as params of its rules makes anew what hangs on
them; a job that trains compares them with the files that it is given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from indoubt.data.check import check_task
from indoubt.data.rules import rules
from indoubt.data.task import Pair, Symbols, Task, check_size, line, words
from indoubt.data.vocabulary import SPECIAL, Vocabulary, names_unseen, training_pairs, vocabularies
from indoubt.errors import UserError
from indoubt.files import read_text
from indoubt.training import Example, Ids, digest

SPLITS = ("train", "valid", "test")
SIDES = ("src", "dst")
#: All text files of a dataset.
TEXT_FILES = tuple(f"{split}.{side}" for split in SPLITS for side in SIDES)
#: Dictionaries beside the text, of tasks that give their own.
TEXT_DICTIONARIES = tuple(f"dict.{side}.txt" for side in SIDES)
#: The files that fairseq-preprocess writes for a dataset.
BINARY_FILES = (
    *(f"dict.{side}.txt" for side in SIDES),
    *(f"{split}.src-dst.{side}.{kind}" for split in SPLITS for side in SIDES for kind in ("bin", "idx")),
)
#: The checksums of those files, in the form of `sha256sum`: one small file that stands for them all.
CHECKSUMS = "sha256.txt"


def write_dataset(task: Task, size: int, dataset: str, folder: Path) -> None:
    """Write the text of one dataset: T first, then (unless `dataset` is `fpa`) H as a candidate labels it.

    `test.src` holds the inputs that are decoded, `test.dst` an empty line for each; `valid` is the same, since
    `fairseq-train` wants a valid set to be there. A task that gives its dictionaries has them beside the text.

    Raises:
        UserError: no such size or dataset, the task is not one that can be measured, or the folder cannot be written.
    """
    check_task(task, check_size(task, size))
    if dataset not in task.datasets:
        raise UserError(f"task {task.name!r} has no dataset {dataset!r}; it has {', '.join(task.datasets)}")
    train = training_pairs(task, size, dataset)
    tested = task.test_inputs(size)
    lines = {"train.src": [s for s, _ in train], "train.dst": [t for _, t in train]}
    for split in ("valid", "test"):
        lines |= {f"{split}.src": tested, f"{split}.dst": [()] * len(tested)}
    texts = {name: "".join(f"{line(e)}\n" for e in examples) for name, examples in lines.items()}
    if names_unseen(task):
        for place, vocabulary in enumerate(vocabularies(task, size, dataset)):
            counts = Counter(symbol for pair in task.training_set(size) for symbol in pair[place])
            counted = (f"{symbol} {counts[symbol]}\n" for symbol in vocabulary.symbols[len(SPECIAL) :])
            texts[TEXT_DICTIONARIES[place]] = "".join(counted)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write the dataset to {folder}: {error.strerror}; check rights and space") from error


def text_files(task: Task) -> tuple[str, ...]:
    """The names of a dataset's files as text."""
    return (*TEXT_FILES, *(TEXT_DICTIONARIES if names_unseen(task) else ()))


def read_side(path: Path) -> list[Symbols]:
    """One side of a split, an example a line.

    Raises:
        UserError: the file is missing, empty or does not end in a newline (it was cut off).
    """
    text = read_text(path, "generate it with `snakemake data --cores 1`")
    if not text:
        raise UserError(f"data file {path} is empty; delete it and run `snakemake data --cores 1`")
    if not text.endswith("\n"):
        raise UserError(f"data file {path} does not end in a newline, it may have been cut off; generate it again")
    return [words(each) for each in text[:-1].split("\n")]


def check_dataset(folder: Path) -> None:
    """Refuse a dataset whose files are missing or empty, or whose sources and targets differ in number.

    Raises:
        UserError: what is wrong, and where.
    """
    for split in SPLITS:
        source, target = (read_side(folder / f"{split}.{side}") for side in SIDES)
        if len(source) != len(target):
            raise UserError(
                f"{folder / split}.src has {len(source)} lines and {split}.dst has {len(target)}; "
                "each source needs one target: generate the dataset again"
            )


def unknown_symbols(examples: Iterable[Symbols], known: Iterable[str]) -> list[str]:
    """Symbols of the examples that `known` lacks, sorted."""
    return sorted({symbol for example in examples for symbol in example} - set(known))


def examples_digest(examples: Iterable[Pair], tested: Iterable[Symbols], sides: tuple[Vocabulary, Vocabulary]) -> str:
    """Hash of a dataset as learners see it, 16 digits: examples in order, what is decoded, both vocabularies in order.

    fairseq's own symbols are left out: they are the same in all.
    """
    own = [side.own for side in sides]
    return digest([list(examples), list(tested), own])[:16]


@cache
def dataset_digest(task: Task, size: int, dataset: str) -> str:
    """`examples_digest` of a dataset as the task gives it now."""
    return examples_digest(
        training_pairs(task, size, dataset), task.test_inputs(size), vocabularies(task, size, dataset)
    )


@cache
def rules_digest(task: Task, size: int) -> str:
    """Hash of what decides the class of an output, 16 digits, except answers, which are known by their code alone.

    That is what T asks for and where it is checked, H, and what each rule says of every source that is decoded.
    """
    tested: Sequence[Symbols] = task.test_inputs(size)
    speaking = {**rules(task), **task.further_rules}
    said = {name: [rule(source, size) for source in tested] for name, rule in speaking.items()}
    asked = [task.training_set(size), task.fit_inputs(size), task.holdout_inputs(size), task.scored_inputs(size)]
    return digest([asked, list(tested), said])[:16]


@dataclass(frozen=True)
class Dataset:
    """A dataset: vocabularies, training examples (T first, then H) and the sources to be decoded."""

    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    examples: tuple[Example, ...]
    test_sources: tuple[Ids, ...]

    @property
    def digest(self) -> str:
        """Hash of what it holds, as `dataset_digest` makes it of a task."""
        source, target = self.source_vocabulary, self.target_vocabulary
        pairs = [(source.decode(each.source), target.decode(each.target)) for each in self.examples]
        return examples_digest(pairs, map(source.decode, self.test_sources), (source, target))


def dataset_in_memory(task: Task, size: int, dataset: str) -> Dataset:
    """A task's dataset: what `indoubt.data.binary.load_dataset` reads once it is generated and binarized."""
    source, target = vocabularies(task, size, dataset)
    pairs = training_pairs(task, size, dataset)
    examples = tuple(Example(source.encode(s), target.encode(t)) for s, t in pairs)
    return Dataset(source, target, examples, tuple(map(source.encode, task.test_inputs(size))))
