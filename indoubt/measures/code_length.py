"""Code length: how many bits it takes to send the hold-out outputs, block after block, by the learner's predictions."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import cast

import numpy as np
import pandas as pd

from indoubt.data.codes import FIRST, FULL, RACE, TASK
from indoubt.data.rules import RANDOM
from indoubt.data.starts import Start
from indoubt.data.task import Task, find_task
from indoubt.data.vocabulary import Vocabulary, vocabularies
from indoubt.engines.registry import OF_PROMPTS
from indoubt.errors import UserError
from indoubt.measures.intervals import EQUAL, bca
from indoubt.measures.rows import Row, either, either_by
from indoubt.schema import CELL, KIND, ORIGIN, PROTOCOL, columns_of

#: Columns of scored blocks that rows have in another form, or have not.
MADE_HERE = ("nats", "bits", "outside_bits")
#: States of a seed's code: all hold-out blocks scored, some missing, one of its trainings diverged; and of those that
#: were measured as far as was asked for, by the first block or in a race: known from below.
COMPLETE, INCOMPLETE, DIVERGED, AT_LEAST = "complete", "incomplete", "diverged", "at least"
#: States of which something is known.
KNOWN = (COMPLETE, AT_LEAST)


def blocks_table(scores: Iterable[Row]) -> pd.DataFrame:
    """One row per scored block; `bits` is the code length of its outputs, summed over `n_examples` examples.

    Rows that do not say how codes were measured are the paper's: all of a code, in the task's blocks.

    Raises:
        UserError: a block was scored twice with different results, or a cell's codes were measured in two ways.
    """
    frame = pd.DataFrame(
        list(scores), columns=["nats", "outside", *(c for c in columns_of("blocks") if c not in MADE_HERE)]
    )
    frame["nats"] = pd.to_numeric(frame["nats"])
    frame["bits"] = frame["nats"] / math.log(2)
    frame["outside_bits"] = pd.to_numeric(frame["outside"]) / math.log(2)
    frame = frame.fillna({"codes": FULL, "blocks": TASK})
    _check_one_kind(frame)
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
    """Quartiles over seeds of the bits per example of each block that was scored, with `n` seeds.

    Of races only the blocks that all of a rule's seeds have: the later ones are those of the seeds that it won.
    """
    scored = blocks[blocks["bits"].notna()]
    code = ["size", "learner", "dataset"]
    seeds, there = (scored.groupby(place)["seed"].transform("nunique") for place in (code, [*code, "block"]))
    scored = scored[(scored["codes"] != RACE) | (there == seeds)]
    place = ["size", "learner", "dataset", "block"]
    if scored.empty:
        return pd.DataFrame(columns=[*place, "n", "quarter", "median", "three_quarters"])
    groups = scored.assign(per_example=scored["bits"] / scored["n_examples"]).groupby(place)["per_example"]
    quartiles = groups.describe()[["count", "25%", "50%", "75%"]]
    return quartiles.set_axis(["n", "quarter", "median", "three_quarters"], axis=1).reset_index()


def _check_one_kind(blocks: pd.DataFrame) -> None:
    """Refuse a cell whose codes were measured in two ways: they do not compare."""
    kinds = blocks.drop_duplicates([*CELL, *KIND])
    twice = kinds[kinds.duplicated(CELL)]
    if len(twice):
        cell = tuple(twice[CELL].iloc[0])
        of_cell = kinds[(kinds[CELL] == list(cell)).all(axis=1)]
        said = " and ".join(f"codes: {codes}, blocks: {sent}" for codes, sent in of_cell[KIND].to_numpy())
        raise UserError(
            f"code lengths that were measured in two ways in one table: {'/'.join(map(str, cell))} ({said}); run the "
            "workflow again (`make run`) to make what is old anew, or give each a folder of its own"
        )


def seed_code_lengths(blocks: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """One row per (task, size, learner, candidate, seed): the sum over its hold-out blocks, in bits and nats.

    `state` is `complete` if all hold-out examples that are sent were scored, `diverged` if one of its trainings
    diverged, `at least` if no more was asked for (the first block, or as far as a race went), else `incomplete`. Only a
    complete code has a length; what is known of others bounds it from below, since no block takes less than 0 bits.
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
    said = either_by(blocks, code, [*KIND, *PROTOCOL, *ORIGIN])
    sums = sums.merge(said, on=code).rename(columns={"dataset": "candidate"})
    about = zip(*(sums[name] for name in ("failed", "n_examples", "task", "size", "codes")), strict=True)
    sums["state"] = [
        DIVERGED if failed else _state(n, len(find_task(task, tasks).scored_inputs(size)), codes)
        for failed, n, task, size, codes in about
    ]
    sums["bits_at_least"] = sums["bits"].where(sums["state"].isin(KNOWN))
    sums.loc[sums["state"] != COMPLETE, ["bits", "nats", "outside_bits"]] = math.nan
    return _in_order(sums[columns_of("seed_code_lengths")], tasks)


def _state(n: int, of: int, codes: str) -> str:
    """The state of a code of which `n` of the hold-out examples were scored."""
    return COMPLETE if n == of else AT_LEAST if codes in (FIRST, RACE) else INCOMPLETE


def known_codes(lengths: pd.DataFrame, a: str, b: str) -> pd.DataFrame:
    """For each seed of which something is known of two rules' codes: `a` and `b`, what they take at least, in bits.

    `sign` is -1 if a's is surely the shorter one, 1 if b's, 0 if they differ by rounding alone, NaN where it is open.
    Of codes by the first block those of the first block are compared.
    """
    known = lengths[lengths["state"].isin(KNOWN)].drop_duplicates(["candidate", "seed"]).set_index("seed")
    sides = {name: known[known["candidate"] == rule] for name, rule in (("a", a), ("b", b))}
    both = pd.concat({name: of["bits_at_least"] for name, of in sides.items()}, axis=1, join="inner").astype(float)
    whole = {name: (of["state"] == COMPLETE).reindex(both.index) | (of["codes"] == FIRST).reindex(both.index)
             for name, of in sides.items()}  # fmt: skip
    less, more = both["a"] * (1 + EQUAL) < both["b"], both["b"] * (1 + EQUAL) < both["a"]
    sign = pd.Series(0.0, index=both.index).mask(less, -1.0).mask(more, 1.0)
    certain = (whole["a"] & whole["b"]) | (whole["a"] & less) | (whole["b"] & more)
    return both.assign(sign=sign.where(certain))


def code_length_table(
    lengths: pd.DataFrame, tasks: Mapping[str, Task], starts: Mapping[str, Start] | None = None
) -> pd.DataFrame:
    """One row per (task, size, learner, candidate): mean and median over the complete seeds.

    `bits_mean` with its BCa bootstrap interval `ci_low`, `ci_high` (bits; `ci_note` says in words where there is none
    or it is doubtful), `nats_mean`, `bits_median`, `bits_per_example` = bits_mean / n_examples, the number of hold-out
    examples that are sent. `uniform_bits` is what the uniform code takes, `of_uniform` = bits_mean / uniform_bits,
    `surplus_bits` what the mean exceeds the shortest mean of the cell's rules by; `bimodal` says whether the dip test
    (`dip_p`) of the seeds' logarithms is below .05 (empty for fewer than ten seeds). `outside_bits`, the mean over
    seeds, is there for language models that are read in context. Diverged and incomplete seeds are counted and take no
    part. A rule has none of these if some seeds' codes are known from below alone, since the others are those where it
    won: `bits_at_least` is the mean of all seeds' bits, or of what their codes take at least, which the mean of the
    codes is not below.

    Source: Kharitonov & Chaabouni (ICLR 2021), section 2; the released code prints bits, summed.
    """
    rows: list[Row] = []
    for key, cell in lengths.groupby([*CELL, "candidate"], sort=False):
        name, size, learner, candidate = cast(tuple[str, int, str, str], key)
        n_holdout = len(find_task(name, tasks).scored_inputs(size))
        n_complete, n_at_least = (int((cell["state"] == state).sum()) for state in KNOWN)
        bits = cell.loc[cell["state"] == COMPLETE, "bits"].astype(float)
        bounds = cell["bits_at_least"].dropna().astype(float)
        bits = bits[:0] if n_at_least else bits
        interval = bca(bits.tolist(), f"{name}/{size}/{learner}/{candidate}")
        mean = float(bits.mean())
        of_bounds = bca(bounds.tolist(), f"{name}/{size}/{learner}/{candidate}") if n_at_least else interval
        rows.append(
            {"task": name, "size": size, "learner": learner, "candidate": candidate, "n_seeds": n_complete}
            | {part: either(cell[part]) for part in KIND}
            | {"n_at_least": n_at_least, "bits_at_least": float(bounds.mean())}
            | {"at_least_ci_low": of_bounds.low, "at_least_ci_high": of_bounds.high}
            | {f"n_{s}": int((cell["state"] == s).sum()) for s in (DIVERGED, INCOMPLETE)}
            | {"bits_mean": mean, "nats_mean": mean * math.log(2), "bits_median": float(bits.median())}
            | {"ci_low": interval.low, "ci_high": interval.high, "ci_note": interval.note}
            | {"ci_method": "BCa bootstrap of the mean, 95 %", "bits_sd": float(bits.std())}
            | {"bits_min": float(bits.min()), "bits_max": float(bits.max())}
            | {"bits_per_example": mean / n_holdout if n_holdout else math.nan, "n_examples": n_holdout}
            | _scale(
                find_task(name, tasks),
                size,
                candidate,
                bits.tolist(),
                either(cell["engine"]) in OF_PROMPTS,
                _joint((starts or {}).get(learner), tasks, name, size, candidate),
            )
            | {"updates": int(cell["updates"].max())}
            | {part: either(cell[part]) for part in (*PROTOCOL, *ORIGIN)}
            | {"outside_bits": float(cell.loc[cell["state"] == COMPLETE, "outside_bits"].astype(float).mean())}
        )
    table = pd.DataFrame(rows, columns=columns_of("code_length"))
    shortest = table[table["candidate"] != RANDOM].groupby(CELL)["bits_mean"].min()
    best = [shortest.get(cell, math.nan) for cell in table[CELL].itertuples(index=False, name=None)]
    table["surplus_bits"] = table["bits_mean"].astype(float) - pd.Series(best, dtype=float)
    return table


def _joint(start: Start | None, tasks: Mapping[str, Task], task: str, size: int, candidate: str) -> Vocabulary | None:
    """The vocabulary of targets that a learner with a start has."""
    if start is None or candidate not in find_task(task, tasks).candidates:
        return None
    return start.joint(tasks, find_task(task, tasks), size, candidate)[1]


def _scale(task: Task, size: int, candidate: str, bits: list[float], in_context: bool, joint: Vocabulary | None) -> Row:
    """Where a code stands between nothing and the uniform code, and whether its seeds fall into two groups."""
    known = candidate in task.candidates
    uniform, dip = uniform_bits(task, size, candidate, in_context, joint) if known else math.nan, dip_p(bits)
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
def uniform_bits(
    task: Task, size: int, candidate: str, in_context: bool = False, joint: Vocabulary | None = None
) -> float:
    """Bits of the uniform code for a candidate's hold-out outputs: log2 of the vocabulary per symbol, `</s>` included.

    The vocabulary is that of the candidate's dataset, filling included, as the learner's softmax is over all of it. A
    language model that is read `in_context` is asked for the task's own symbols and the end alone; a learner with a
    start has the `joint` vocabulary of all that it has learned.
    """
    target = joint or vocabularies(task, size, candidate)[1]
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
