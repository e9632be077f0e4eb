"""What was spent: trainings and their time."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from indoubt.measures.rows import Row
from indoubt.schema import CELL, ORIGIN, PROTOCOL, columns_of


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
