"""Code length: how many bits it takes to send the hold-out outputs, block after block, by the learner's predictions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import cast

import numpy as np
import pandas as pd

from indoubt.data.rules import RANDOM
from indoubt.data.task import Task, find_task
from indoubt.data.vocabulary import vocabularies
from indoubt.errors import UserError
from indoubt.measures.intervals import bca
from indoubt.measures.rows import Row, either, either_by
from indoubt.schema import CELL, ORIGIN, PROTOCOL, columns_of

#: Columns of scored blocks that rows have in another form, or have not.
MADE_HERE = ("nats", "bits", "outside_bits")
#: States of a seed's code: all hold-out blocks scored, some missing, one of its trainings diverged.
COMPLETE, INCOMPLETE, DIVERGED = "complete", "incomplete", "diverged"


def blocks_table(scores: Iterable[Row]) -> pd.DataFrame:
    """One row per scored block; `bits` is the code length of its outputs, summed over `n_examples` examples.

    Raises:
        UserError: a block was scored twice with different results.
    """
    frame = pd.DataFrame(
        list(scores), columns=["nats", "outside", *(c for c in columns_of("blocks") if c not in MADE_HERE)]
    )
    frame["nats"] = pd.to_numeric(frame["nats"])
    frame["bits"] = frame["nats"] / math.log(2)
    frame["outside_bits"] = pd.to_numeric(frame["outside"]) / math.log(2)
    place = [*CELL, "dataset", "seed", "block"]
    frame = frame.drop_duplicates([*place, "nats", "status"])
    twice = frame[frame.duplicated(place)]
    if len(twice):
        row = twice.iloc[0]
        raise UserError(
            f"{row['task']}/{row['size']}/{row['dataset']}, learner {row['learner']!r}, seed {row['seed']}: block "
            f"{row['block']} was scored twice with different results; give each results folder a table of its own"
        )
    return frame.sort_values(place, kind="stable", ignore_index=True)[columns_of("blocks")]


def block_quartiles(blocks: pd.DataFrame) -> pd.DataFrame:
    """Quartiles over seeds of the bits per example of each block that was scored, with `n` seeds."""
    scored = blocks[blocks["bits"].notna()]
    place = ["size", "learner", "dataset", "block"]
    if scored.empty:
        return pd.DataFrame(columns=[*place, "n", "quarter", "median", "three_quarters"])
    groups = scored.assign(per_example=scored["bits"] / scored["n_examples"]).groupby(place)["per_example"]
    quartiles = groups.describe()[["count", "25%", "50%", "75%"]]
    return quartiles.set_axis(["n", "quarter", "median", "three_quarters"], axis=1).reset_index()


def seed_code_lengths(blocks: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """One row per (task, size, learner, candidate, seed): the sum over its hold-out blocks, in bits and nats.

    `state` is `complete` if all hold-out examples that are sent were scored, `diverged` if one of its trainings
    diverged, else `incomplete`; only a complete code has a length.
    """
    code = [*CELL, "dataset", "seed"]
    failed = (blocks["status"] == DIVERGED) | blocks["nats"].isna()
    sums = (
        blocks.assign(failed=failed)
        .groupby(code, sort=False, as_index=False)
        .agg({"bits": "sum", "nats": "sum", "n_examples": "sum", "failed": "any", "updates": "max"})
    )
    known = blocks.groupby(code, sort=False)["outside_bits"]
    sums["outside_bits"] = known.sum().where(known.count() == known.size()).to_numpy()
    sums = sums.merge(either_by(blocks, code, [*PROTOCOL, *ORIGIN]), on=code).rename(columns={"dataset": "candidate"})
    sums["state"] = [
        DIVERGED if failed else COMPLETE if n == len(find_task(task, tasks).scored_inputs(size)) else INCOMPLETE
        for failed, n, task, size in zip(sums["failed"], sums["n_examples"], sums["task"], sums["size"], strict=True)
    ]
    sums.loc[sums["state"] != COMPLETE, ["bits", "nats", "outside_bits"]] = math.nan
    return _in_order(sums[columns_of("seed_code_lengths")], tasks)


def code_length_table(lengths: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """One row per (task, size, learner, candidate): mean and median over the complete seeds.

    `bits_mean` with its BCa bootstrap interval `ci_low`, `ci_high` (bits; `ci_note` says in words where there is none
    or it is doubtful), `nats_mean`, `bits_median`, `bits_per_example` = bits_mean / n_examples, the number of hold-out
    examples that are sent. `uniform_bits` is what the uniform code takes, `of_uniform` = bits_mean / uniform_bits,
    `surplus_bits` what the mean exceeds the shortest mean of the cell's rules by; `bimodal` says whether the dip test
    (`dip_p`) of the seeds' logarithms is below .05 (empty for fewer than ten seeds). `outside_bits`, the mean over
    seeds, is there for language models that are read in context. Diverged and incomplete seeds are counted and take no
    part.

    Source: Kharitonov & Chaabouni (ICLR 2021), section 2; the released code prints bits, summed.
    """
    rows: list[Row] = []
    for key, cell in lengths.groupby([*CELL, "candidate"], sort=False):
        name, size, learner, candidate = cast(tuple[str, int, str, str], key)
        n_holdout = len(find_task(name, tasks).scored_inputs(size))
        bits = cell.loc[cell["state"] == COMPLETE, "bits"].astype(float)
        interval = bca(bits.tolist(), f"{name}/{size}/{learner}/{candidate}")
        mean = float(bits.mean())
        rows.append(
            {"task": name, "size": size, "learner": learner, "candidate": candidate, "n_seeds": len(bits)}
            | {f"n_{s}": int((cell["state"] == s).sum()) for s in (DIVERGED, INCOMPLETE)}
            | {"bits_mean": mean, "nats_mean": mean * math.log(2), "bits_median": float(bits.median())}
            | {"ci_low": interval.low, "ci_high": interval.high, "ci_note": interval.note}
            | {"ci_method": "BCa bootstrap of the mean, 95 %", "bits_sd": float(bits.std())}
            | {"bits_min": float(bits.min()), "bits_max": float(bits.max())}
            | {"bits_per_example": mean / n_holdout if n_holdout else math.nan, "n_examples": n_holdout}
            | _scale(find_task(name, tasks), size, candidate, bits.tolist(), either(cell["engine"]) == "in_context")
            | {"updates": int(cell["updates"].max())}
            | {part: either(cell[part]) for part in (*PROTOCOL, *ORIGIN)}
            | {"outside_bits": float(cell.loc[cell["state"] == COMPLETE, "outside_bits"].astype(float).mean())}
        )
    table = pd.DataFrame(rows, columns=columns_of("code_length"))
    shortest = table[table["candidate"] != RANDOM].groupby(CELL)["bits_mean"].min()
    best = [shortest.get(cell, math.nan) for cell in table[CELL].itertuples(index=False, name=None)]
    table["surplus_bits"] = table["bits_mean"].astype(float) - pd.Series(best, dtype=float)
    return table


def _scale(task: Task, size: int, candidate: str, bits: list[float], in_context: bool) -> Row:
    """Where a code stands between nothing and the uniform code, and whether its seeds fall into two groups."""
    known = candidate in task.candidates
    uniform, dip = uniform_bits(task, size, candidate, in_context) if known else math.nan, dip_p(bits)
    mean = sum(bits) / len(bits) if bits else math.nan
    bimodal = "" if math.isnan(dip) else str(dip < 0.05)
    return {"uniform_bits": uniform, "of_uniform": mean / uniform, "dip_p": dip, "bimodal": bimodal}


def _in_order(frame: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """Rows by cell, candidates in the order of their task, seeds in order."""
    places = [list(tasks[t].candidates).index(c) if c in tasks[t].candidates else 99 for t, c in
              zip(frame["task"], frame["candidate"], strict=True)]  # fmt: skip
    ordered = frame.assign(place=places).sort_values([*CELL, "place", "seed"], kind="stable", ignore_index=True)
    return ordered.drop(columns="place")


#: A code shorter than this counts as this when logarithms are taken (bits).
FLOOR = 1e-7
#: Below this number of seeds no shape of a distribution is told.
ENOUGH = 10


@lru_cache(maxsize=4096)
def uniform_bits(task: Task, size: int, candidate: str, in_context: bool = False) -> float:
    """Bits of the uniform code for a candidate's hold-out outputs: log2 of the vocabulary per symbol, `</s>` included.

    The vocabulary is that of the candidate's dataset, filling included, as the learner's softmax is over all of it. A
    language model that is read `in_context` is asked for the task's own symbols and the end alone.
    """
    _, target = vocabularies(task, size, candidate)
    symbols = sum(len(output) + 1 for _, output in task.holdout_set(size, candidate))
    return symbols * math.log2(len(target.own) + 1 if in_context else len(target))


def dip_p(bits: Sequence[float]) -> float:
    """p of Hartigan's dip test on the logarithms of code lengths: small if seeds fall into two groups or more.

    NaN for fewer than `ENOUGH` seeds, and where the package diptest, which does it, is not installed. Source: J. A. and
    P. M. Hartigan, Annals of Statistics 13 (1985).
    """
    if len(bits) < ENOUGH:
        return math.nan
    try:
        from diptest import diptest  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(diptest(np.log10(np.maximum(np.asarray(bits, dtype=float), FLOOR)))[1])
