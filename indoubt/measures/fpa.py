"""FPA, the fraction of perfect agreement: which share of seeds follows which rule."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import cast

import pandas as pd

from indoubt.data.check import least_separating, n_ambiguous
from indoubt.data.rules import criteria
from indoubt.data.seeds import parse_seeds, ranges
from indoubt.data.task import Task, find_task
from indoubt.errors import UserError
from indoubt.measures.classify import DIVERGED, UNFIT, classes
from indoubt.measures.intervals import Interval, wilson
from indoubt.measures.rows import Row, either
from indoubt.schema import CELL, ORIGIN, PROTOCOL, columns_of

NONE = Interval(math.nan, math.nan)


def seed_classes(predictions: Iterable[Row]) -> pd.DataFrame:
    """One row per (task, size, learner, seed): its class and whether it fits T.

    Raises:
        UserError: the lines of a seed do not agree on its class.
    """
    seeds: dict[tuple[object, ...], Row] = {}
    for row in predictions:
        key = (row["task"], row["size"], row["learner"], row["seed"])
        known = seeds.setdefault(key, row)
        if known["class"] != row["class"]:
            raise UserError(
                f"predictions of {row['task']}/{row['size']}/{row['learner']}, seed {row['seed']}: class is both "
                f"{known['class']!r} and {row['class']!r}; delete that predictions file and run again"
            )
    rows = [{**row, "fits": row["class"] not in (UNFIT, DIVERGED)} for row in seeds.values()]
    frame = pd.DataFrame(rows, columns=columns_of("seed_classes"))
    return frame.sort_values([*CELL, "seed"], kind="stable", ignore_index=True) if rows else frame


def fpa_table(seeds: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """One row per (task, size, learner, class); the shares `fpa` of a cell add up to 1.

    `n` seeds of `n_seeds` are of the class: `fpa` = n / n_seeds, with its Wilson interval `ci_low`, `ci_high`; `kind`
    says what the class is: a `candidate`, a `rule` or an `answer` that only classifies, a rule that was `found` in what
    learners do (`note` says on which of these seeds), or nothing of these (empty).
    `fpa_given_fit` = n / n_fit, undefined for seeds that do not fit. Of `n_holdout` hold-out inputs,
    `n_holdout_ambiguous` cannot tell all candidates apart by themselves; any two differ on `n_holdout_separating` or
    more. `outside_share`, the mean over seeds, is there for language models that are read in context.

    Source: Kharitonov & Chaabouni (ICLR 2021), section 2; released code's runs fit or not in their appendix.
    """
    rows: list[Row] = []
    for key, cell in seeds.groupby(CELL, sort=False):
        name, size, learner = cast(tuple[str, int, str], key)
        task = find_task(name, tasks)
        n_seeds, n_fit = len(cell), int(cell["fits"].sum())
        about = {part: either(cell[part]) for part in (*PROTOCOL, *ORIGIN)}
        kinds = {criterion.name: criterion.kind for criterion in criteria(task)}
        separating = least_separating(task, size)
        unknown = sorted(set(cell["class"]) - set(classes(task)))
        if unknown:
            raise UserError(f"predictions of {name}/{size}/{learner}: task {name!r} has no candidate {unknown[0]!r}")
        for label in classes(task):
            n = int((cell["class"] == label).sum())
            fitting = label not in (UNFIT, DIVERGED) and n_fit > 0
            over_all, given_fit = wilson(n, n_seeds), wilson(n, n_fit) if fitting else NONE
            rows.append(
                {"task": name, "size": size, "learner": learner, "class": label}
                | {"n_seeds": n_seeds, "n_fit": n_fit, "n": n, "fpa": n / n_seeds}
                | {"ci_low": over_all.low, "ci_high": over_all.high}
                | {"fpa_given_fit": n / n_fit if fitting else math.nan}
                | {"given_fit_ci_low": given_fit.low}
                | {"given_fit_ci_high": given_fit.high}
                | {"n_holdout": len(task.holdout_inputs(size)), "n_holdout_ambiguous": n_ambiguous(task, size)}
                | {
                    "n_holdout_separating": separating,
                    "ci_method": "Wilson 95 %",
                    "updates": int(cell["updates"].max()),
                }
                | about
                | {"kind": kinds.get(label, ""), "note": _note(task, label, cell["seed"])}
                | {"outside_share": float(cell["outside_share"].astype(float).mean())}
            )
    return pd.DataFrame(rows, columns=columns_of("fpa"))


def _note(task: Task, label: str, seeds: Iterable[int]) -> str:
    """Which of a cell's seeds a found rule was found on, and so fits better than others."""
    if label not in task.found_on:
        return ""
    on = sorted(set(parse_seeds(task.found_on[label])) & set(map(int, seeds)))
    return f"found on seeds {ranges(on)}" if on else "found on other seeds"
