"""Datasets in fairseq's binary form: written by fairseq-preprocess, and read back as ids."""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
from pathlib import Path

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

from fairseq import options
from fairseq.data import indexed_dataset
from fairseq_cli import preprocess

from indoubt.data.datasets import (
    BINARY_FILES,
    CHECKSUMS,
    SIDES,
    TEXT_DICTIONARIES,
    Dataset,
    check_dataset,
    read_side,
    unknown_symbols,
)
from indoubt.data.vocabulary import SPECIAL, UNKNOWN, Vocabulary
from indoubt.errors import UserError
from indoubt.training import Example, Ids


def binarize(text: Path, folder: Path) -> None:
    """Binarize the dataset in `text` into `folder`, as `fairseq-preprocess -s src -t dst` does, with the dictionaries
    beside it, if any.

    Raises:
        UserError: the text is incomplete, or `test.src` has a symbol that `train.src` lacks.
    """
    check_dataset(text)
    given = [text / name for name in TEXT_DICTIONARIES if (text / name).is_file()]
    known = {symbol for source in read_side(text / "train.src") for symbol in source}
    if given:
        known = {each.rsplit(" ", 1)[0] for each in given[0].read_text(encoding="utf-8").splitlines()}
    unknown = unknown_symbols(read_side(text / "test.src"), known)
    if unknown:
        raise UserError(
            f"{text / 'test.src'} has symbols that {given[0] if given else text / 'train.src'} lacks: "
            f"{', '.join(unknown[:5])}; a learner cannot read what its dictionary does not hold"
        )
    if folder.exists():  # fairseq-preprocess refuses to overwrite a dictionary
        shutil.rmtree(folder)
    arguments = ["--source-lang=src", "--target-lang=dst", f"--destdir={folder}", "--workers=1"]
    arguments += [f"--{split}pref={text / split}" for split in ("train", "valid", "test")]
    arguments += [f"--{side}dict={path}" for side, path in zip(("src", "tgt"), given, strict=False)]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            preprocess.main(options.get_preprocessing_parser().parse_args(arguments))
        sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in BINARY_FILES}
        (folder / CHECKSUMS).write_text("".join(f"{value}  {name}\n" for name, value in sums.items()), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror}; check rights and space") from error


def check_sums(folder: Path) -> None:
    """Refuse a binarized dataset of which a file has changed since it was written, or has gone.

    Raises:
        UserError: which file it is.
    """
    try:
        for line in (folder / CHECKSUMS).read_text(encoding="utf-8").splitlines():
            value, name = line.split()
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != value:
                raise UserError(f"{folder / name} is damaged; delete it and run `snakemake data --cores 1`")
    except OSError as error:
        raise UserError(f"{error.filename} is missing; run `snakemake data --cores 1`") from None


def load_dataset(folder: Path) -> Dataset:
    """Read a binarized dataset.

    Raises:
        UserError: a file is missing, or sources and targets differ in number.
    """
    missing = [name for name in BINARY_FILES if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{folder} is not a binarized dataset: {missing[0]} is missing; run `snakemake data --cores 1`")
    source, target = (_vocabulary(folder / f"dict.{side}.txt") for side in SIDES)
    sources, targets = _sentences(folder / "train.src-dst.src"), _sentences(folder / "train.src-dst.dst")
    if len(sources) != len(targets):
        raise UserError(f"{folder}: {len(sources)} training sources but {len(targets)} targets; binarize it again")
    examples = tuple(Example(s, t) for s, t in zip(sources, targets, strict=True))
    for ids, vocabulary, side in ((sources, source, "src"), (targets, target, "dst")):
        if any(i >= len(vocabulary) or i == UNKNOWN for example in ids for i in example):
            raise UserError(f"{folder}: train.{side} has a symbol that dict.{side}.txt lacks; binarize it again")
    return Dataset(source, target, examples, _sentences(folder / "test.src-dst.src"))


def _vocabulary(path: Path) -> Vocabulary:
    """What fairseq's Dictionary saves: a line for each symbol but the special ones, with its count behind it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return Vocabulary((*SPECIAL, *(line.rsplit(" ", 1)[0] for line in lines)))


def _sentences(prefix: Path) -> tuple[Ids, ...]:
    """All sentences of one side of a split, as ids that end in `</s>`."""
    data = indexed_dataset.make_dataset(str(prefix), impl=indexed_dataset.infer_dataset_impl(str(prefix)))
    return tuple(tuple(data[i].tolist()) for i in range(len(data)))
