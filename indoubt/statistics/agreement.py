"""Do the two measures agree? The paper says so, and that code length is the more sensitive one."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from indoubt.data.codes import FIRST, TASK
from indoubt.measures.intervals import LEVEL, wilson
from indoubt.schema import CELL, columns_of
from indoubt.statistics.paired import mcnemar_p
from indoubt.statistics.preferences import NOT_MEASURED, TESTED

RESAMPLES = 1999
ALL = "all tasks"


def agreement_table(preferences: pd.DataFrame, verdicts: pd.DataFrame, responses: pd.DataFrame) -> pd.DataFrame:
    """One row per task and one for all.

    Of `n_both` cells with both measures, `n_compared` are those in which most seeds follow a candidate: `share` =
    n_agree / n_compared have the shortest mean code by the rule that most seeds follow (Wilson interval). In
    `n_agree_responses` of `n_both` it is the candidate that most single responses follow.
    Of `n_pairs` pairs of candidates FPA differs in `n_fpa_differs`, and prefers the rule of the shorter code in
    `n_same_sign` of these.
    `rho` is Spearman's rank correlation over all pairs of candidates between the difference of FPA and the difference
    of mean code lengths (bits; those in the task's blocks where there are any), both ways round, so that it does not
    depend on the order of a pair; its percentile bootstrap interval resamples cells. `n_tested_*` count the pairs in
    which the corrected test decides for a rule by code length, by FPA, by both; `p_sensitivity` is exact McNemar's p of
    the first two.
    """
    tasks = sorted(set(verdicts["task"]))
    tables = (preferences, verdicts, responses)
    rows = [_row(task, *(table[table["task"] == task] for table in tables)) for task in tasks]
    if rows:
        rows.append(_row(ALL, *tables))
    return pd.DataFrame(rows, columns=columns_of("agreement"))


def _row(task: str, preferences: pd.DataFrame, verdicts: pd.DataFrame, responses: pd.DataFrame) -> dict[str, object]:
    compared = verdicts[verdicts["agree"] != ""]
    n_agree = int((compared["agree"] == "True").sum())
    interval = wilson(n_agree, len(compared))
    both = preferences[(preferences["level"] != NOT_MEASURED) & (preferences["fpa_level"] != NOT_MEASURED)]
    both = _of_one_kind(both[both["diff_mean"].notna()])
    rho, low, high, note = _correlation(both)
    leading = [_leading(pairs, responses) for _, pairs in both.groupby(CELL)]
    differs = both[both["fpa_diff"] != 0]
    by_code, by_fpa = both["level"] == TESTED, both["fpa_level"] == TESTED
    code_only, fpa_only = int((by_code & ~by_fpa).sum()), int((by_fpa & ~by_code).sum())
    return {
        "task": task,
        "n_cells": len(verdicts),
        "n_compared": len(compared),
        "n_agree": n_agree,
        "share": n_agree / len(compared) if len(compared) else math.nan,
        "share_ci_low": interval.low,
        "share_ci_high": interval.high,
        "n_pairs": len(both),
        "rho": rho,
        "rho_ci_low": low,
        "rho_ci_high": high,
        "rho_note": note,
        "n_tested_code_only": code_only,
        "n_tested_fpa_only": fpa_only,
        "n_tested_both": int((by_code & by_fpa).sum()),
        "p_sensitivity": mcnemar_p(code_only, fpa_only),
        "n_both": len(leading),
        "n_agree_responses": sum(leading),
        "n_fpa_differs": len(differs),
        "n_same_sign": int((differs["fpa_diff"] * differs["diff_mean"] < 0).sum()),
    }


def _of_one_kind(pairs: pd.DataFrame) -> pd.DataFrame:
    """Pairs whose code lengths may be put together: none by the first block, and those in the task's blocks alone where
    there are others beside.
    """
    pairs = pairs[pairs["codes"] != FIRST]
    of_task = pairs[pairs["blocks"] == TASK]
    return of_task if len(of_task) else pairs


def _leading(pairs: pd.DataFrame, responses: pd.DataFrame) -> bool:
    """Whether the candidate of a cell's shortest code is the one, alone, that most of its responses follow."""
    rules = dict.fromkeys([*pairs["a"], *pairs["b"]])
    longer = {row["b"] if row["diff_mean"] < 0 else row["a"] for row in pairs.to_dict("records") if row["diff_mean"]}
    shortest = [rule for rule in rules if rule not in longer]
    here = responses["rule"].isin(rules)
    for name in CELL:
        here &= responses[name] == pairs[name].iloc[0]
    n = dict(zip(responses.loc[here, "rule"], responses.loc[here, "n"], strict=True))
    most = [rule for rule in n if n[rule] == max(n.values())]
    return len(shortest) == 1 and most == shortest


def _correlation(pairs: pd.DataFrame) -> tuple[float, float, float, str]:
    """Spearman's rho with its interval, and why there is none."""
    cells = [
        np.column_stack([cell["fpa_diff"].astype(float), -cell["diff_mean"].astype(float)])
        for _, cell in pairs.groupby(CELL)
    ]
    if len(cells) < 3:
        return math.nan, math.nan, math.nan, f"{len(cells)} cells have both measures: at least 3 are needed"
    rho = _rho(np.concatenate(cells))
    if math.isnan(rho):
        return math.nan, math.nan, math.nan, "no cell differs from another"
    rng = np.random.default_rng(0)
    resamples = [
        _rho(np.concatenate([cells[i] for i in rng.integers(len(cells), size=len(cells))])) for _ in range(RESAMPLES)
    ]
    low, high = np.nanquantile(resamples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return rho, float(low), float(high), "Spearman; percentile bootstrap over cells, 95 %"


def _rho(points: NDArray[np.float64]) -> float:
    """Rank correlation of points and their mirror images (each pair taken both ways round)."""
    both = np.concatenate([points, -points])
    x, y = stats.rankdata(both[:, 0]), stats.rankdata(both[:, 1])
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    return float(np.corrcoef(x, y)[0, 1])
