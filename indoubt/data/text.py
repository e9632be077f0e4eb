"""Datasets as text: one example a line, symbols separated by blanks, in the file names of the original code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from indoubt.data.check import check_task
from indoubt.data.files import SIDES, SPLITS, TEXT_DICTIONARIES, TEXT_FILES
from indoubt.data.task import Symbols, Task, check_size, line, words
from indoubt.data.vocabulary import SPECIAL, names_unseen, training_pairs, vocabularies
from indoubt.errors import UserError
from indoubt.files import read_text


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
