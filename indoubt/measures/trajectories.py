"""How a bias moves during training: which rule seeds follow after so many updates, how long their codes are then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any, cast

import pandas as pd

from indoubt.data.task import Task, find_task, words
from indoubt.measures.classify import DIVERGED, UNFIT, classes, classify
from indoubt.measures.code_length import blocks_table, code_length_table, seed_code_lengths
from indoubt.measures.intervals import Interval, wilson
from indoubt.measures.rows import Row, either
from indoubt.schema import CELL, ORIGIN, PROTOCOL, columns_of

_LOOK = [*CELL, "seed", "update", "class", "fits", *PROTOCOL, *ORIGIN]


def milestone_classes(decodes_at: Iterable[Row], seeds: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """One row per seed and milestone, and one for its end: the class of what the seed output then.

    Args:
        decodes_at: rows of kind `decode_at`.
        seeds: the table `seed_classes`; of seeds that were not looked at during training nothing is taken.
    """
    rows: list[Row] = []
    for row in decodes_at:
        outputs = None if row["outputs"] is None else [words(text) for text in row["outputs"]]
        label = classify(find_task(row["task"], tasks), row["size"], outputs)
        about = {key: row[key] for key in (*CELL, "seed", *PROTOCOL, *ORIGIN)}
        rows.append(about | {"update": row["at"], "class": label, "fits": label not in (UNFIT, DIVERGED)})
    frame = pd.DataFrame(rows, columns=_LOOK).drop_duplicates([*CELL, "seed", "update"])
    watched = frame[[*CELL, "seed"]].drop_duplicates()
    ends = seeds.merge(watched, on=[*CELL, "seed"]).rename(columns={"updates": "update"})
    # a seed that diverged has no updates of its own: its end is that of the others
    longest = ends.groupby(CELL)["update"].transform("max")
    ends = ends.assign(update=longest)[_LOOK]
    both = pd.concat([frame, ends]) if len(frame) else ends
    return both.drop_duplicates([*CELL, "seed", "update"]).sort_values([*CELL, "seed", "update"], ignore_index=True)


def trajectories_table(moments: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """One row per (task, size, learner, update, class): the share of seeds of the class after so many updates.

    `share` = n / n_seeds with its Wilson interval; `n_fit` seeds fit T then. The last update is the training's end.
    """
    rows: list[Row] = []
    for key, moment in moments.groupby([*CELL, "update"], sort=True):
        name, size, learner, update = cast(tuple[str, int, str, int], key)
        about = {part: either(moment[part]) for part in (*PROTOCOL, *ORIGIN)}
        n_seeds = len(moment)
        for label in classes(find_task(name, tasks)):
            n = int((moment["class"] == label).sum())
            interval = wilson(n, n_seeds)
            rows.append(
                {"task": name, "size": size, "learner": learner, "update": update, "class": label, "n": n}
                | {"n_seeds": n_seeds, "share": n / n_seeds, "ci_low": interval.low, "ci_high": interval.high}
                | {"n_fit": int(moment["fits"].sum()), "ci_method": "Wilson 95 %"}
                | about
            )
    return pd.DataFrame(rows, columns=columns_of("trajectories"))


def paths_table(moments: pd.DataFrame) -> pd.DataFrame:
    """One row per seed that was looked at: `path` (`unfit@100 add@1000 add@3000`), `first_fit` (the first milestone at
    which it fits T; empty: never) and `n_switches`, how often its class changes after that.
    """
    rows: list[Row] = []
    for key, seed in moments.groupby([*CELL, "seed"], sort=True):
        labels, fits, updates = list(seed["class"]), list(seed["fits"]), list(seed["update"])
        first = fits.index(True) if True in fits else None
        after = labels[first:] if first is not None else []
        rows.append(
            dict(zip([*CELL, "seed"], cast(tuple[Any, ...], key), strict=True))
            | {"first_fit": None if first is None else updates[first]}
            | {"n_switches": sum(one != other for one, other in pairwise(after))}
            | {"final": labels[-1], "path": " ".join(f"{c}@{u}" for c, u in zip(labels, updates, strict=True))}
        )
    return pd.DataFrame(rows, columns=columns_of("seed_paths")).astype({"first_fit": "Int64"})


def switching(paths: pd.DataFrame) -> tuple[int, int, Interval]:
    """Of the seeds that ever fit T: how many change their class after that, of how many, with the Wilson interval."""
    fitting = paths[paths["first_fit"].notna()]
    n = int((fitting["n_switches"] > 0).sum())
    return n, len(fitting), wilson(n, len(fitting))


def half_fit(trajectory: pd.DataFrame) -> int | None:
    """The first milestone of a cell at which at least half of its seeds fit T; None: there is none."""
    moments = trajectory.drop_duplicates("update").sort_values("update")
    fitting = moments[2 * moments["n_fit"] >= moments["n_seeds"]]
    return int(fitting["update"].iloc[0]) if len(fitting) else None


def code_trajectories_table(scores_at: Iterable[Row], code: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """One row per (task, size, learner, candidate, update): the code length if each block were sent after so many
    updates; as in the table `code_length`, whose rows are taken for the end.
    """
    by_update: dict[int, list[Row]] = {}
    for row in scores_at:
        by_update.setdefault(row["at"], []).append(row)
    parts = []
    for update, rows in sorted(by_update.items()):
        table = code_length_table(seed_code_lengths(blocks_table(rows), tasks), tasks)
        parts.append(table.assign(update=update))
    if not parts:
        return pd.DataFrame(columns=columns_of("code_trajectories"))
    cells = pd.concat(parts)[[*CELL, "candidate"]].drop_duplicates()
    ends = code.merge(cells, on=[*CELL, "candidate"]).rename(columns={"updates": "update"})
    whole = pd.concat([*parts, ends])[columns_of("code_trajectories")]
    whole = whole.drop_duplicates([*CELL, "candidate", "update"])
    return whole.sort_values([*CELL, "candidate", "update"], kind="stable", ignore_index=True)
