"""Rows of results, as the JSON lines below `results/runs` and `results/predictions` hold them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from indoubt.data.task import FPA
from indoubt.errors import UserError
from indoubt.files import read_text
from indoubt.schema import ORIGIN, PROTOCOL

Row = dict[str, Any]

#: Of what a learner of one name, and a dataset of one cell, must be the same in a table: hashes of the learner with all
#: its arguments and the code that trains it, and of the dataset's examples.
CONFIGURATION = ("configured", "examples")
#: What every row of a run says.
COMMON = (
    *("task", "size", "learner", "seed", "status", "training_id"),
    *(*ORIGIN, *PROTOCOL, *CONFIGURATION, "host", "seconds", "updates"),
)
NEEDED = {
    "score": (*COMMON, "dataset", "block", "n_examples", "nats"),
    "decode": (*COMMON, "outputs"),
    "score_at": (*COMMON, "dataset", "block", "n_examples", "nats", "at"),
    "decode_at": (*COMMON, "outputs", "at"),
}
#: What to do where rows that do not belong together have come together.
AGAIN = "run the workflow again (`make run`) to make what is old anew, or give each configuration a folder of its own"
PREDICTION = (
    *("updates", "src", "pred", "src_len", "pred_len", "seed", "class"),
    *("task", "size", "learner", "in_training", "agrees"),
)


def read_runs(paths: Iterable[Path]) -> tuple[list[Row], list[Row]]:
    """The score rows and the decode rows of some cell files, of the ends of trainings.

    Raises:
        UserError: a file is missing or holds a line that is no row of a run; says which line.
    """
    rows = read_rows(paths)
    return rows["score"], rows["decode"]


def read_rows(paths: Iterable[Path]) -> dict[str, list[Row]]:
    """All rows of some cell files by their kind: `score`, `decode`, and of milestones `score_at` and `decode_at`.

    Raises:
        UserError: a file is missing or holds a line that is no row of a run; says which line.
    """
    rows: dict[str, list[Row]] = {kind: [] for kind in NEEDED}
    for path in paths:
        for number, row in _objects(path):
            kind = row.get("kind")
            if kind not in rows:
                raise UserError(f"{path}, line {number}: kind is {kind!r}, it must be one of {', '.join(NEEDED)}")
            _check(row, NEEDED[kind], path, number)
            rows[kind].append(row)
    check_one_configuration(*rows.values())
    return rows


def read_predictions(paths: Iterable[Path]) -> list[Row]:
    """The lines of some predictions files.

    Raises:
        UserError: a file is missing or holds a line that is no prediction; says which line.
    """
    rows = []
    for path in paths:
        for number, row in _objects(path):
            _check(row, (*PREDICTION, *ORIGIN, *PROTOCOL, *CONFIGURATION), path, number)
            rows.append(row)
    return rows


def _objects(path: Path) -> Iterable[tuple[int, Row]]:
    """Line number and object of each line of a file of JSON lines."""
    text = read_text(path, "run the workflow (`snakemake tables --cores 1`) to make it")
    for number, each in enumerate(text.split("\n"), start=1):
        if not each.strip():
            continue
        try:
            row = json.loads(each)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{path}, line {number} is not JSON ({error.msg}), perhaps cut off; delete the file and run again"
            ) from None
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: a JSON object is needed, this is {each[:40]!r}")
        yield number, row


def _check(row: Row, needed: Sequence[str], path: Path, number: int) -> None:
    missing = [key for key in needed if key not in row]
    if missing:
        raise UserError(f"{path}, line {number} lacks {', '.join(missing)}; delete the file and run again")


def check_one_protocol(*frames: pd.DataFrame) -> None:
    """Refuse rows that were made under different protocols: their numbers do not compare.

    Raises:
        UserError: which part of the protocol differs, and where each value comes from.
    """
    for part in PROTOCOL:
        cells: dict[object, str] = {}
        for frame in frames:
            if part in frame.columns and len(frame):
                for value, first in frame.drop_duplicates(part).set_index(part).iterrows():
                    cells.setdefault(value, f"{first['task']}/{first['size']}/{first['learner']}")
        if len(cells) > 1:
            values = ", ".join(f"{value} ({cell})" for value, cell in cells.items())
            raise UserError(
                f"results of different protocols in one table: {part} is {values}; "
                "give each protocol a results folder of its own, or run the cells again under one"
            )


def check_one_configuration(*groups: Iterable[Row]) -> None:
    """Refuse rows of a learner that was configured in different ways, and of a dataset that held different examples.

    Args:
        groups: rows of runs and predictions.

    Raises:
        UserError: which learner or dataset it is, and where each kind of its rows comes from.
    """
    of_learner: dict[str, Row] = {}
    of_dataset: dict[tuple[Any, ...], Row] = {}
    for row in itertools.chain(*groups):
        first = of_learner.setdefault(row["learner"], row)
        if first["configured"] != row["configured"]:
            updates = [f"updates {each['updates']}, engine {each['engine']}" for each in (first, row)]
            raise UserError(
                f"results of learner {row['learner']!r} that was configured in two ways in one table: {_place(first)} "
                f"({updates[0]}) and {_place(row)} ({updates[1]}); {AGAIN}"
            )
        dataset = row["task"], row["size"], row.get("dataset", FPA)
        first = of_dataset.setdefault(dataset, row)
        if first["examples"] != row["examples"]:
            raise UserError(
                f"results on different examples in one table: {_place(first)} and {_place(row)} were measured on "
                f"different versions of dataset {dataset[-1]!r}; {AGAIN}"
            )


def _place(row: Row) -> str:
    return f"{row['task']}/{row['size']}/{row['learner']}, seed {row['seed']}"


def either(values: Iterable[object]) -> str:
    """The one value that all rows have, or `mixed: a, b`."""
    distinct = sorted({str(value) for value in values})
    return distinct[0] if len(distinct) == 1 else f"mixed: {', '.join(distinct)}" if distinct else ""


def either_by(frame: pd.DataFrame, keys: list[str], columns: list[str]) -> pd.DataFrame:
    """One row per group of `keys`, each of `columns` as `either` says it."""
    groups = frame.groupby(keys, sort=False, as_index=False)
    firsts = groups[columns].first().astype(dict.fromkeys(columns, object))
    differs = groups[columns].nunique()
    for row, column in zip(*(differs[columns].to_numpy() > 1).nonzero(), strict=True):
        group = frame[(frame[keys] == firsts.loc[row, keys]).all(axis=1)]
        firsts.loc[row, columns[column]] = either(group[columns[column]])
    return firsts
