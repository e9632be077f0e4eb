"""When in training a rule is chosen, in words."""

from __future__ import annotations

import pandas as pd

from indoubt.measures.classify import NO_RULE
from indoubt.measures.intervals import wilson
from indoubt.measures.trajectories import half_fit
from indoubt.schema import CELL

#: Share of the training time from which on it is said that milestones cost it.
DEAR = 0.1


def over_time(trajectories: pd.DataFrame, paths: pd.DataFrame, costs: pd.DataFrame) -> list[str]:
    """A sentence per cell that was looked at during training, and one where looking was dear."""
    said = []
    for key, cell in trajectories.groupby(CELL, sort=True):
        _, size, learner = key
        where = f"{learner}, size {size}"
        half, last = half_fit(cell), int(cell["update"].max())
        n = int(cell["n_seeds"].iloc[0])
        fit = f"half of {n} seeds fit T at {half:,} updates" if half else f"fewer than half of {n} seeds ever fit T"
        end = cell[(cell["update"] == last) & ~cell["class"].isin(NO_RULE)].sort_values("n", ascending=False)
        lead = ""
        if len(end) and end["n"].iloc[0] > 0:
            rule = end["class"].iloc[0]
            lead = f"; {rule}, which leads at the end, {_first_lead(cell, rule)}"
        ours = paths[(paths[CELL] == list(key)).all(axis=1)]
        fitted = ours[ours["first_fit"].notna()]
        switching = int((fitted["n_switches"] > 0).sum())
        interval = wilson(switching, len(fitted))
        of = f"{switching} of {len(fitted)} seeds [{interval.low:.2f}, {interval.high:.2f}]"
        switches = f"; {of} change their rule after they first fit" if len(fitted) else ""
        said.append(f"{where}: {fit}{lead}{switches}.")
    dear = costs[costs["milestone_seconds"] > DEAR * costs["seconds"]]
    for row in dear.to_dict("records"):
        share = row["milestone_seconds"] / row["seconds"]
        said.append(f"{row['learner']}, size {row['size']}: decoding at milestones took {share:.0%} of its time.")
    return said


def _first_lead(cell: pd.DataFrame, rule: str) -> str:
    """From which milestone on a rule is the class of most seeds that fit."""
    ruled = cell[~cell["class"].isin(NO_RULE)]
    most = ruled.groupby("update")["n"].max()
    of_rule = ruled[ruled["class"] == rule].set_index("update")["n"]
    leads = (of_rule == most) & (of_rule > 0)
    since = None
    for update, leading in sorted(leads.items(), reverse=True):
        if not leading:
            break
        since = update
    return f"leads from {since:,} on"
