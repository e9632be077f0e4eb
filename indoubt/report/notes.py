"""What a reader must know about the numbers of a task, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from indoubt.data.rules import RANDOM
from indoubt.measures.classify import NO_RULE
from indoubt.measures.trajectories import half_fit, switching
from indoubt.schema import CELL
from indoubt.schema.wording import counted, p_text, share, span
from indoubt.statistics.paired import ALPHA

#: Share of the training time from which on it is said that milestones cost it.
EXPENSIVE = 0.1


def notes(of: Mapping[str, pd.DataFrame]) -> list[str]:
    """All notes on a task, from its rows of the tables."""
    fpa, code = of["fpa"], of["code_length"]
    found = ["FPA was not measured on this task."] * fpa.empty
    found += ["Code length was not measured on this task."] * code.empty
    numbers = ["size", "n_holdout", "n_holdout_separating"]
    found += [
        f"Size {row['size']}: any two candidates differ on {row['n_holdout_separating']} or more of the "
        f"{row['n_holdout']} hold-out inputs."
        for row in fpa.loc[fpa["n_holdout_ambiguous"] > 0, numbers].drop_duplicates().to_dict("records")
    ]
    found += _corrected_together(of["preferences"])
    for word in ("diverged", "incomplete"):
        n = int(code[f"n_{word}"].sum())
        if n:
            verb = "" if word == "diverged" else "is " if n == 1 else "are "
            found.append(f"{counted(n, 'code')} {verb}{word} and take{'s' * (n == 1)} no part.")
    two = code[(code["bimodal"] == "True") & (code["candidate"] != RANDOM)]
    if len(two):
        cells = [f"{row['learner']} {row['size']} {row['candidate']}" for row in two.to_dict("records")]
        named = ", ".join(cells[:6]) + (f" and {len(cells) - 6} more" if len(cells) > 6 else "")
        found.append(
            f"Seeds fall into two or more groups (dip test, p < .05): {named}. Look at the points, not the mean."
        )
    found += [f"{row['learner']}, size {row['size']}: {row['why']}." for row in of["stops"].to_dict("records")]
    found += [_matters(row) for row in of["sweep_tests"].to_dict("records")]
    return found + over_time(of["trajectories"], of["seed_paths"], of["costs"])


def _corrected_together(pairs: pd.DataFrame) -> list[str]:
    """Of how many tests each is one: with another learner or size in the folder they are more."""
    families = {"code length": pairs["n_family"].max(), "FPA": pairs["fpa_n_family"].max()} if len(pairs) else {}
    counts = [f"{int(n)} by {measure}" for measure, n in families.items() if n > 1]
    if not counts:
        return []
    return [
        f"Corrected together (Holm) are all pairs of rules, learners and sizes of this task: {' and '.join(counts)}. "
        "The more pairs, the more seeds it takes to be sure."
    ]


def _matters(row: Mapping[Any, Any]) -> str:
    """Whether a swept argument matters, in a sentence."""
    decided = "matters" if row["p_holm"] < ALPHA else "is not seen to matter"
    corrected = f"p = {p_text(row['p_holm'])}, permutation over {row['n_seeds']} seeds, Holm over {row['n_tests']:.0f}"
    return f"{row['sweep']}, size {row['size']}: {row['said']}; {row['argument']} {decided} ({corrected})."


def over_time(trajectories: pd.DataFrame, paths: pd.DataFrame, costs: pd.DataFrame) -> list[str]:
    """When in training a rule is chosen: a sentence per cell with milestones, and one where these were expensive."""
    found = []
    for key, cell in trajectories.groupby(CELL, sort=True):
        _, size, learner = key
        half, last = half_fit(cell), int(cell["update"].max())
        n = int(cell["n_seeds"].iloc[0])
        fit = f"half of {n} seeds fit T at {half:,} updates" if half else f"fewer than half of {n} seeds ever fit T"
        end = cell[(cell["update"] == last) & ~cell["class"].isin(NO_RULE)].sort_values("n", ascending=False)
        lead = ""
        if len(end) and end["n"].iloc[0] > 0:
            rule = end["class"].iloc[0]
            lead = f"; {rule}, which leads at the end, {_first_lead(cell, rule)}"
        n_switching, n_fitting, interval = switching(paths[(paths[CELL] == list(key)).all(axis=1)])
        seeds = f"{n_switching} of {n_fitting} seeds {span(interval.low, interval.high, share)}"
        switches = f"; {seeds} change their rule after they first fit" if n_fitting else ""
        found.append(f"{learner}, size {size}: {fit}{lead}{switches}.")
    expensive = costs[costs["milestone_seconds"] > EXPENSIVE * costs["seconds"]]
    for row in expensive.to_dict("records"):
        of_time = row["milestone_seconds"] / row["seconds"]
        found.append(f"{row['learner']}, size {row['size']}: decoding at milestones took {of_time:.0%} of its time.")
    return found


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
