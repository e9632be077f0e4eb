"""The tables below `results/tables`: made from the rows of runs and predictions, written and read as CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from indoubt.data.codes import FULL, TASK
from indoubt.data.indistinguishable import unrepresentable
from indoubt.data.starts import Start
from indoubt.data.task import Task
from indoubt.errors import UserError
from indoubt.files import write_atomically
from indoubt.measures.code_length import blocks_table, code_length_table, seed_code_lengths
from indoubt.measures.fpa import fpa_table, seed_classes
from indoubt.measures.responses import outputs_table, responses_table
from indoubt.measures.rows import Row, check_one_configuration, check_one_protocol
from indoubt.measures.trajectories import code_trajectories_table, milestone_classes, paths_table, trajectories_table
from indoubt.schema import CELL, FOUND, ORIGIN, PROTOCOL, TABLES, columns_of, text_columns
from indoubt.statistics.agreement import agreement_table
from indoubt.statistics.claims import BUILT_IN, claims_table, read_claims
from indoubt.statistics.preferences import preferences_table
from indoubt.statistics.starts import Starts, starts_table
from indoubt.statistics.stopping import stops_table
from indoubt.statistics.sweeps import Sweeps, sweep_tests_table, sweeps_table
from indoubt.statistics.verdicts import verdicts_table

Tables = dict[str, pd.DataFrame]


def build_tables(
    scores: list[Row], decodes: list[Row], predictions: list[Row], tasks: Mapping[str, Task],
    claims: Path | None = None, milestones: Mapping[str, list[Row]] | None = None, looks_at: Iterable[Path] = (),
    sweeps: Sweeps | None = None, cannot_tell: Mapping[str, Sequence[str]] | None = None, starts: Starts | None = None,
    published: bool = True,
) -> Tables:  # fmt: skip
    """All tables of some rows.

    Args:
        claims: a file of claims besides the built-in ones.
        milestones: rows of kind `score_at` and `decode_at`, by kind.
        sweeps: by the name of a sweep its learners, each with its swept values.
        starts: of learners with a start what it is, and which learner is the same without it.
        looks_at: the files of looks at cells whose seeds are trained in steps.
        cannot_tell: what learners cannot tell apart (`data.indistinguishable`).
        published: whether the built-in claims may be about these tasks.

    Raises:
        UserError: the rows were made under different protocols or by different configurations, or contradict each
            other.
    """
    check_one_configuration(scores, decodes, predictions)
    blocks, seeds = blocks_table(scores), seed_classes(predictions)
    check_one_protocol(blocks, seeds)
    lengths = seed_code_lengths(blocks, tasks)
    fpa, code = (
        fpa_table(seeds, tasks),
        code_length_table(
            lengths, tasks, {name: Start.from_json(each["start"]) for name, each in (starts or {}).items()}
        ),
    )
    stops = stops_table(looks_at)
    in_steps = set(stops[CELL].itertuples(index=False, name=None))
    cells = {cell for table in (fpa, code) for cell in table[CELL].itertuples(index=False, name=None)}
    kinds = {cell: (cannot_tell or {}).get(cell[2], ()) for cell in cells}
    beyond = {cell: unrepresentable(tasks[cell[0]], int(cell[1]), kinds[cell]) for cell in cells if kinds[cell]}
    preferences = preferences_table(lengths, fpa, in_steps, beyond)
    verdicts = verdicts_table(preferences, lengths, fpa, code, cannot_tell, beyond)
    responses = responses_table(predictions, tasks)
    tables = {
        "blocks": blocks,
        "seed_classes": seeds,
        "seed_code_lengths": lengths,
        "fpa": fpa,
        "responses": responses,
        "code_length": code,
        "preferences": preferences,
        "verdicts": verdicts,
        "agreement": agreement_table(preferences, verdicts, responses),
        "outputs": outputs_table(predictions),
        "costs": costs_table([*scores, *decodes]),
    }
    at = milestones or {}
    moments = milestone_classes(at.get("decode_at", []), seeds, tasks)
    tables |= {"trajectories": trajectories_table(moments, tasks), "seed_paths": paths_table(moments)}
    tables["sweeps"] = sweeps_table(fpa, sweeps or {})
    tables["sweep_tests"] = sweep_tests_table(seeds, tables["sweeps"], sweeps or {})
    tables["starts"] = starts_table(seeds, decodes, starts or {}, tasks)
    tables["stops"] = stops
    tables["code_trajectories"] = code_trajectories_table(at.get("score_at", []), code, tasks)
    files = [*([BUILT_IN] if published else []), *([claims] if claims else [])]
    entries = [claim for path in files for claim in read_claims(path)]
    return tables | {"claims": claims_table(entries, tables)}


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write each table as CSV, numbers with all their digits.

    Raises:
        ValueError: a table has not the columns that `indoubt.schema` says, in its order, before others of its own.
    """
    for name, table in tables.items():
        columns = columns_of(name)
        if list(table.columns[: len(columns)]) != columns:
            raise ValueError(f"table {name} has the columns {list(table.columns)}; indoubt/schema says {columns}")
        write_atomically(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))


def read_table(folder: Path, name: str) -> pd.DataFrame:
    """A table as it was written, to the last digit: words as words, whatever they look like, and numbers as numbers.

    Raises:
        UserError: it is missing, lacks a column, or holds words where a number must stand.
    """
    path = folder / f"{name}.csv"
    columns, words = TABLES[name].columns, text_columns(name)
    try:
        head = pd.read_csv(path, nrows=0).columns
        texts = [c for c in head if c in words or c not in columns]  # a table's own columns: swept values
        table = pd.read_csv(
            path,
            keep_default_na=False,
            na_values={c: ["", "nan"] for c in head if c not in texts},
            dtype=dict.fromkeys(texts, str),
        )
    except FileNotFoundError:
        raise UserError(f"table {path} is missing; make it with `snakemake tables --cores 1`") from None
    except pd.errors.EmptyDataError:
        raise UserError(f"table {path} is empty, it lacks even its header; delete it and run again") from None
    except OSError as error:
        raise UserError(f"table {path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # no UTF-8, or rows of different lengths
        raise UserError(f"table {path} is damaged: {' '.join(str(error).split())}; delete it and run again") from None
    if name == "seed_code_lengths" and {"bits", "codes"} - {*table.columns} == {"codes"}:  # of an earlier version
        table = table.assign(bits_at_least=table["bits"], codes=FULL, blocks=TASK)
    missing = [c for c in columns if c not in table.columns]
    if missing and all(columns[c].absent is not None for c in missing):  # of an earlier version
        table = table.assign(**{c: (columns[c].absent or ("" if c in words else math.nan)) for c in missing})
        missing = []
    if missing:
        raise UserError(f"table {path} lacks the columns {', '.join(missing)}; delete it and run again")
    for column, about in columns.items():
        wrong = [value for value in table[column] if isinstance(value, str)] if column not in words else []
        if wrong:
            kind = about.kind.value
            raise UserError(f"table {path} is damaged: {column} is {wrong[0]!r}, no {kind}; delete it and run again")
    return table


def read_found(folder: Path) -> Tables:
    """The tables of found rules; empty where results lack them, as those of earlier versions do.

    Raises:
        UserError: one is there, but cut off or of other columns.
    """
    return {
        name: read_table(folder, name) if (folder / f"{name}.csv").exists() else pd.DataFrame(columns=columns_of(name))
        for name in FOUND
    }


def costs_table(rows: Iterable[Row]) -> pd.DataFrame:
    """Time and trainings per cell and machine; a training that several rows share is counted once.

    `seconds` is the time that trainings took, summed, as if one after another, `milestone_seconds` the part of it that
    went to scoring and decoding at milestones.
    """
    frame = pd.DataFrame(
        list(rows),
        columns=["training_id", "status", "seconds", "updates", "looking", "host", *CELL, *ORIGIN, *PROTOCOL],
    ).fillna({"looking": 0.0})
    frame = frame.drop_duplicates("training_id").assign(diverged=lambda f: f["status"] == "diverged")
    costs = frame.groupby([*CELL, *ORIGIN, "host", *PROTOCOL], as_index=False, sort=True).agg(
        n_trainings=("training_id", "size"),
        n_diverged=("diverged", "sum"),
        seconds=("seconds", "sum"),
        updates=("updates", "sum"),
        milestone_seconds=("looking", "sum"),
    )
    return costs[columns_of("costs")]
