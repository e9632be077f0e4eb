"""How much hangs on hyperparameters: the swept learners side by side, and whether an argument matters at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from indoubt.measures.classify import NO_RULE
from indoubt.measures.intervals import wilson
from indoubt.measures.rows import Row
from indoubt.schema import columns_of

#: By the name of a sweep: its learners, each with the values of the arguments that vary.
Sweeps = Mapping[str, Mapping[str, Mapping[str, Any]]]
PERMUTATIONS = 9999


def sweeps_table(fpa: pd.DataFrame, sweeps: Sweeps) -> pd.DataFrame:
    """One row per (task, size, learner of a sweep), its swept values as columns behind the others.

    `rule` is the one that most seeds of the whole sweep follow at this size: `n` of the learner's `n_seeds` seeds do,
    with the Wilson interval of their share; `n_fit` fit T; `leads_here` is the rule of most of the learner's own seeds.

    Args:
        fpa: the table `fpa`.
    """
    rows: list[Row] = []
    arguments = sorted({key for span in sweeps.values() for values in span.values() for key in values})
    for name, span in sweeps.items():
        of_sweep = fpa[fpa["learner"].isin(list(span))]
        for (task, size), cell in of_sweep.groupby(["task", "size"], sort=True):
            ruled = cell[~cell["class"].isin(NO_RULE)]
            rule = str(ruled.groupby("class", sort=False)["n"].sum().idxmax()) if len(ruled) else ""
            for learner, values in span.items():
                own = cell[cell["learner"] == learner]
                if len(own):
                    place = {"task": task, "size": size, "learner": learner, "sweep": name, "rule": rule}
                    rows.append(place | _numbers(own, rule) | {key: _as_text(v) for key, v in values.items()})
    swept = [argument for argument in arguments if any(argument in row for row in rows)]
    return pd.DataFrame(rows, columns=[*columns_of("sweeps"), *swept]).fillna(dict.fromkeys(swept, ""))


def _numbers(own: pd.DataFrame, rule: str) -> Row:
    n_seeds, n_fit = int(own["n_seeds"].iloc[0]), int(own["n_fit"].iloc[0])
    n = int(own.loc[own["class"] == rule, "n"].sum())
    share, fit = wilson(n, n_seeds), wilson(n_fit, n_seeds)
    ruled = own[~own["class"].isin(NO_RULE) & (own["n"] > 0)].sort_values("n", ascending=False, kind="stable")
    return {
        "n": n, "n_seeds": n_seeds, "share": n / n_seeds, "ci_low": share.low, "ci_high": share.high,
        "n_fit": n_fit, "fit": n_fit / n_seeds, "fit_ci_low": fit.low, "fit_ci_high": fit.high,
        "leads_here": str(ruled["class"].iloc[0]) if len(ruled) else "", "ci_method": "Wilson 95 %",
    }  # fmt: skip


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def sweep_tests_table(seeds: pd.DataFrame, table: pd.DataFrame, sweeps: Sweeps) -> pd.DataFrame:
    """One row per (task, size, sweep, swept argument): does what seeds do hang on it at all?

    `p` is of a permutation test: chi-square of the classes of seeds by the argument's values, summed over the settings
    of the other arguments, against seeds dealt out among the values at random within each of these settings; `p_holm`
    is corrected over all `n_tests` of the task. `said` puts it in words.

    Args:
        seeds: the table `seed_classes`.
        table: the table `sweeps`.
    """
    rows: list[Row] = []
    for (task, size, name), cell in table.groupby(["task", "size", "sweep"], sort=True):
        span = sweeps[cast(str, name)]
        own = seeds[(seeds["task"] == task) & (seeds["size"] == size) & seeds["learner"].isin(list(span))]
        for argument in next(iter(span.values())):
            values = own["learner"].map({learner: _as_text(values[argument]) for learner, values in span.items()})
            others = {
                learner: str([_as_text(v) for key, v in values.items() if key != argument])
                for learner, values in span.items()
            }
            p = permutation_p(values.to_numpy(), own["class"].to_numpy(), own["learner"].map(others).to_numpy())
            rule = str(cell["rule"].iloc[0])
            rows.append(
                {"task": task, "size": size, "sweep": name, "argument": argument, "rule": rule, "n_seeds": len(own)}
                | {"p": p, "method": f"chi-square, {PERMUTATIONS:,} permutations within the other settings"}
                | {"said": f"{argument} {_in_words(cell, argument, rule)}"}
            )
    frame = pd.DataFrame(rows, columns=columns_of("sweep_tests"))
    for _, of_task in frame.groupby("task"):
        known = of_task["p"].notna()
        places = of_task.index[known]
        if len(places):
            frame.loc[places, "p_holm"] = multipletests(of_task.loc[known, "p"].astype(float), method="holm")[1]
            frame.loc[places, "n_tests"] = len(places)
    return frame


def permutation_p(values: np.ndarray, classes: np.ndarray, strata: np.ndarray) -> float:
    """The share of deals (the one seen among them) in which classes hang on values at least as much as they do."""
    observed = _statistic(values, classes, strata)
    stream = np.random.default_rng(0)
    places = [np.flatnonzero(strata == stratum) for stratum in dict.fromkeys(strata)]
    as_much = 1
    dealt = classes.copy()
    for _ in range(PERMUTATIONS):
        for place in places:
            dealt[place] = classes[stream.permutation(place)]
        as_much += _statistic(values, dealt, strata) >= observed - 1e-9
    return as_much / (PERMUTATIONS + 1)


def _statistic(values: np.ndarray, classes: np.ndarray, strata: np.ndarray) -> float:
    """Chi-square of classes by values, summed over strata."""
    total = 0.0
    for stratum in dict.fromkeys(strata):
        here = strata == stratum
        _, row = np.unique(values[here], return_inverse=True)
        _, column = np.unique(classes[here], return_inverse=True)
        counts = np.zeros((row.max() + 1, column.max() + 1))
        np.add.at(counts, (row, column), 1)
        expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / counts.sum()
        total += float(((counts - expected) ** 2 / expected).sum())
    return total


def in_order(values: Sequence[str]) -> list[str]:
    """The values of a swept argument, each once: numbers by size, words as they come."""
    distinct = list(dict.fromkeys(values))
    try:
        return sorted(distinct, key=float)
    except ValueError:
        return distinct


def _in_words(cell: pd.DataFrame, argument: str, rule: str) -> str:
    """`0.2 → 0.5: mem 4 of 24 → 19 of 24`: over all settings of the other arguments."""
    order = in_order(list(cell[argument].astype(str)))
    sums = cell.assign(value=cell[argument].astype(str)).groupby("value")[["n", "n_seeds"]].sum()
    counts = {str(value): (int(row["n"]), int(row["n_seeds"])) for value, row in sums.iterrows()}
    shares = [f"{counts[value][0]} of {counts[value][1]}" for value in order]
    return f"{' → '.join(order)}: {rule or 'no rule'} {' → '.join(shares)}"
