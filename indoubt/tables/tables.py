"""The tables below `results/tables`: made from the rows of runs and predictions, written and read as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from indoubt.data.seeds import ranges
from indoubt.data.task import Task
from indoubt.errors import UserError
from indoubt.files import write_atomically
from indoubt.found.found_rules import FOUND_COLUMNS, FOUND_TEXT, SIGNATURE_COLUMNS
from indoubt.measures.code_length import (
    BLOCK_COLUMNS,
    CODE_LENGTH_COLUMNS,
    SEED_LENGTH_COLUMNS,
    blocks_table,
    code_length_table,
    seed_code_lengths,
)
from indoubt.measures.fpa import CELL, FPA_COLUMNS, SEED_CLASS_COLUMNS, fpa_table, seed_classes
from indoubt.measures.responses import RESPONSE_COLUMNS, responses_table
from indoubt.measures.rows import ORIGIN, PROTOCOL, Row, check_one_configuration, check_one_protocol
from indoubt.measures.trajectories import (
    CODE_TRAJECTORY_COLUMNS,
    PATH_COLUMNS,
    TRAJECTORY_COLUMNS,
    code_trajectories_table,
    looks,
    paths_table,
    trajectories_table,
)
from indoubt.statistics.agreement import AGREEMENT_COLUMNS, agreement_table
from indoubt.statistics.claims import BUILT_IN, CLAIM_COLUMNS, claims_table, read_claims
from indoubt.statistics.preferences import PREFERENCE_COLUMNS, preferences_table
from indoubt.statistics.stops import STOP_COLUMNS, stops_table
from indoubt.statistics.sweeps import SWEEP_COLUMNS, SWEEP_TEST_COLUMNS, Sweeps, sweep_tests_table, sweeps_table
from indoubt.statistics.verdicts import VERDICT_COLUMNS, verdicts_table

OUTPUT_COLUMNS = [*CELL, "src", "in_training", "pred", "class", "agrees", "n_seeds", "n_class", "seeds"]
COST_COLUMNS = [
    *CELL,
    *ORIGIN,
    "host",
    "n_trainings",
    "n_diverged",
    "seconds",
    "updates",
    *PROTOCOL,
    "milestone_seconds",
]

#: Columns of words, where nothing is an empty string and not a missing number.
TEXT = {
    *["pred", "src", "agrees", "seeds", "ci_note", "class", "candidate", "torch", "bimodal", "a", "b", "preferred"],
    *["level", "verdict", "fpa_preferred", "fpa_level", "fpa_class", "fpa_verdict", "code_rule", "code_level"],
    *["code_lead", "code_verdict", "agree", "rule", "kind", "rho_note", "state", "why", "path", "final", "measure"],
    *["sweep", "leads_here", "argument", "said", "method", *FOUND_TEXT],
}
#: Each table's file (without `.csv`) and columns.
COLUMNS = {
    "blocks": BLOCK_COLUMNS,
    "seed_classes": SEED_CLASS_COLUMNS,
    "seed_code_lengths": SEED_LENGTH_COLUMNS,
    "fpa": FPA_COLUMNS,
    "responses": RESPONSE_COLUMNS,
    "code_length": CODE_LENGTH_COLUMNS,
    "outputs": OUTPUT_COLUMNS,
    "costs": COST_COLUMNS,
    "preferences": PREFERENCE_COLUMNS,
    "verdicts": VERDICT_COLUMNS,
    "agreement": AGREEMENT_COLUMNS,
    "claims": CLAIM_COLUMNS,
    "trajectories": TRAJECTORY_COLUMNS,
    "seed_paths": PATH_COLUMNS,
    "code_trajectories": CODE_TRAJECTORY_COLUMNS,
    "stops": STOP_COLUMNS,
    "sweeps": SWEEP_COLUMNS,
    "sweep_tests": SWEEP_TEST_COLUMNS,
}
#: Tables that a rule of its own makes, so that results may lack them.
FOUND = {"found_rules": FOUND_COLUMNS, "signatures": SIGNATURE_COLUMNS}
Tables = dict[str, pd.DataFrame]


def build_tables(
    scores: list[Row], decodes: list[Row], predictions: list[Row], tasks: Mapping[str, Task],
    claims: Path | None = None, milestones: Mapping[str, list[Row]] | None = None, looks_at: Iterable[Path] = (),
    sweeps: Sweeps | None = None,
) -> Tables:  # fmt: skip
    """All tables of some rows.

    Args:
        claims: a file of claims besides the built-in ones.
        milestones: rows of kind `score_at` and `decode_at`, by kind.
        sweeps: by the name of a sweep its learners, each with its swept values.
        looks_at: the files of looks at cells whose seeds are trained in steps.

    Raises:
        UserError: the rows were made under different protocols or by different configurations, or contradict each
            other.
    """
    check_one_configuration(scores, decodes, predictions)
    blocks, seeds = blocks_table(scores), seed_classes(predictions)
    check_one_protocol(blocks, seeds)
    lengths = seed_code_lengths(blocks, tasks)
    fpa, code = fpa_table(seeds, tasks), code_length_table(lengths, tasks)
    stops = stops_table(looks_at)
    in_steps = set(stops[CELL].itertuples(index=False, name=None))
    preferences = preferences_table(lengths, fpa, in_steps)
    verdicts = verdicts_table(preferences, lengths, fpa, code)
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
    seen = looks(at.get("decode_at", []), seeds, tasks)
    tables |= {"trajectories": trajectories_table(seen, tasks), "seed_paths": paths_table(seen)}
    tables["sweeps"] = sweeps_table(fpa, sweeps or {})
    tables["sweep_tests"] = sweep_tests_table(seeds, tables["sweeps"], sweeps or {})
    tables["stops"] = stops
    tables["code_trajectories"] = code_trajectories_table(at.get("score_at", []), code, tasks)
    found = [claim for path in (BUILT_IN, *([claims] if claims else [])) for claim in read_claims(path)]
    return tables | {"claims": claims_table(found, tables)}


def outputs_table(predictions: Iterable[Row]) -> pd.DataFrame:
    """What the seeds of a class output for each input, equal outputs together: `n_seeds` of the class's `n_class`.

    `seeds` names them (`1-4 7`); `agrees` lists the rules that give this output, separated by blanks; `pred` is empty
    for an empty output, and a diverged seed has no row.
    """
    rows = [{**r, "agrees": " ".join(r["agrees"])} for r in predictions if r["pred"] is not None]
    if not rows:
        return pd.DataFrame(columns=OUTPUT_COLUMNS)
    frame = pd.DataFrame(rows)
    group = [*CELL, "class", "src", "in_training", "pred", "agrees"]
    counted = frame.groupby(group, sort=False, as_index=False).agg(n_seeds=("seed", "nunique"), seeds=("seed", ranges))
    of_class = frame.groupby([*CELL, "class"], as_index=False).agg(n_class=("seed", "nunique"))
    return counted.merge(of_class, on=[*CELL, "class"])[OUTPUT_COLUMNS]


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
    return costs[COST_COLUMNS]


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write each table as CSV, numbers with all their digits."""
    for name, table in tables.items():
        write_atomically(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))


def read_table(folder: Path, name: str, columns: list[str] | None = None) -> pd.DataFrame:
    """A table as it was written, to the last digit.

    Raises:
        UserError: it is missing, or lacks a column.
    """
    path = folder / f"{name}.csv"
    known = (COLUMNS | FOUND)[name]
    try:
        header = pd.read_csv(path, nrows=0).columns
        words = [c for c in header if c in TEXT or c not in known]  # a table's own columns: swept values
        table = pd.read_csv(
            path,
            keep_default_na=False,
            na_values={c: ["", "nan"] for c in header if c not in words},
            dtype=dict.fromkeys(words, str),
        )
    except FileNotFoundError:
        raise UserError(f"table {path} is missing; make it with `snakemake tables --cores 1`") from None
    except pd.errors.EmptyDataError:
        raise UserError(f"table {path} is empty, it lacks even its header; delete it and run again") from None
    except OSError as error:
        raise UserError(f"table {path} cannot be read: {error.strerror}") from error
    except ValueError as error:  # no UTF-8, or rows of different lengths
        raise UserError(f"table {path} is damaged: {' '.join(str(error).split())}; delete it and run again") from None
    missing = [c for c in (columns or known) if c not in table.columns]
    if missing:
        raise UserError(f"table {path} lacks the columns {', '.join(missing)}; delete it and run again")
    return table


def read_found(folder: Path) -> Tables:
    """The tables of found rules; empty where results lack them, as those of earlier versions do.

    Raises:
        UserError: one is there, but cut off or of other columns.
    """
    return {
        name: read_table(folder, name) if (folder / f"{name}.csv").exists() else pd.DataFrame(columns=columns)
        for name, columns in FOUND.items()
    }
