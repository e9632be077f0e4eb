"""What learners output, and shares of responses: of all outputs for hold-out inputs, how many a rule gives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import pandas as pd

from indoubt.data.rules import criteria
from indoubt.data.seeds import ranges
from indoubt.data.task import Task, find_task, line
from indoubt.measures.classify import DIVERGED, UNFIT
from indoubt.measures.intervals import bca, wilson
from indoubt.measures.rows import Row, either
from indoubt.schema import CELL, ORIGIN, PROTOCOL, columns_of

#: The name under which responses are counted that no rule and no answer gives.
NONE = "none"


def responses_table(predictions: Iterable[Row], tasks: Mapping[str, Task]) -> pd.DataFrame:
    """One row per (task, size, learner, rule), and one for `none`: responses that no rule and no answer gives.

    Of `n_responses` = `n_seeds` * `n_holdout` outputs for hold-out inputs, `n` are the rule's: `share` = n /
    n_responses, with a bootstrap interval that resamples seeds, since the responses of one seed are not independent.
    `share_given_fit` is the same over the `n_fit` seeds that fit T. Diverged seeds have no responses. Several rules may
    give one output, so that the shares of a cell need not add up to 1.
    """
    counted = _counted(predictions, tasks)
    rows: list[Row] = []
    for key, cell in counted.groupby(CELL, sort=False):
        name, size, learner = cast(tuple[str, int, str], key)
        task = find_task(name, tasks)
        answered = cell[cell["class"] != DIVERGED]
        fitting = answered[answered["class"] != UNFIT]
        n_holdout = len(set(task.holdout_inputs(size)))
        about = {part: either(cell[part]) for part in (*PROTOCOL, *ORIGIN)} | {"updates": int(cell["updates"].max())}
        kinds = {criterion.name: criterion.kind for criterion in criteria(task)} | {NONE: ""}
        for rule, kind in kinds.items():
            counts = [[int(of.get(rule, 0)) for of in seeds["counts"]] for seeds in (answered, fitting)]
            shares = [[n / n_holdout for n in of_seeds] for of_seeds in counts]
            over_all, given_fit = (
                bca(share, f"{name}/{size}/{learner}/{rule}/{which}")
                for share, which in zip(shares, ("responses", "responses given fit"), strict=True)
            )
            rows.append(
                {"task": name, "size": size, "learner": learner, "rule": rule, "kind": kind}
                | {"n_seeds": len(answered), "n_diverged": len(cell) - len(answered), "n_holdout": n_holdout}
                | {"n_responses": len(answered) * n_holdout, "n": sum(counts[0]), "share": _mean(shares[0])}
                | {"ci_low": over_all.low, "ci_high": over_all.high, "ci_note": over_all.note}
                | {"n_fit": len(fitting), "share_given_fit": _mean(shares[1])}
                | {"given_fit_ci_low": given_fit.low, "given_fit_ci_high": given_fit.high}
                | {"ci_method": "BCa bootstrap over seeds, 95 %"}
                | about
            )
    return pd.DataFrame(rows, columns=columns_of("responses"))


def outputs_table(predictions: Iterable[Row]) -> pd.DataFrame:
    """What the seeds of a class output for each input, equal outputs together: `n_seeds` of the class's `n_class`.

    `seeds` names them (`1-4 7`); `agrees` lists the rules that give this output, separated by blanks; `pred` is empty
    for an empty output, and a diverged seed has no row.
    """
    rows = [{**r, "agrees": " ".join(r["agrees"])} for r in predictions if r["pred"] is not None]
    if not rows:
        return pd.DataFrame(columns=columns_of("outputs"))
    frame = pd.DataFrame(rows)
    group = [*CELL, "class", "src", "in_training", "pred", "agrees"]
    counted = frame.groupby(group, sort=False, as_index=False).agg(n_seeds=("seed", "nunique"), seeds=("seed", ranges))
    of_class = frame.groupby([*CELL, "class"], as_index=False).agg(n_class=("seed", "nunique"))
    return counted.merge(of_class, on=[*CELL, "class"])[columns_of("outputs")]


def with_shares(outputs: pd.DataFrame) -> pd.DataFrame:
    """Rows of the table `outputs` with the `share` of the class's seeds and its Wilson interval `ci_low`, `ci_high`."""
    intervals = [wilson(int(n), int(of)) for n, of in zip(outputs["n_seeds"], outputs["n_class"], strict=True)]
    ends = {"ci_low": [each.low for each in intervals], "ci_high": [each.high for each in intervals]}
    return outputs.assign(share=outputs["n_seeds"] / outputs["n_class"], **ends)


def _counted(predictions: Iterable[Row], tasks: Mapping[str, Task]) -> pd.DataFrame:
    """One row per seed of a cell: its class, and how many of its responses are of which rule."""
    holdouts: dict[tuple[str, int], set[str]] = {}
    seeds: dict[tuple[object, ...], Row] = {}
    for row in predictions:
        place = (row["task"], row["size"])
        if place not in holdouts:
            holdouts[place] = {line(source) for source in find_task(row["task"], tasks).holdout_inputs(row["size"])}
        seed = seeds.setdefault((*place, row["learner"], row["seed"]), {**row, "counts": {}})
        if row["src"] in holdouts[place]:
            for rule in row["agrees"] or [NONE]:
                seed["counts"][rule] = seed["counts"].get(rule, 0) + 1
    columns = [*CELL, "class", "counts", "updates", *PROTOCOL, *ORIGIN]
    return pd.DataFrame(list(seeds.values()), columns=columns)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")
