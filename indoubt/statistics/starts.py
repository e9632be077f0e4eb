"""What came before: of each learner with a start, what its seeds do beside the same seeds without one."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd

from indoubt.data.starts import Start
from indoubt.data.task import Task
from indoubt.measures.intervals import wilson
from indoubt.measures.rows import Row, either
from indoubt.schema import CELL, ORIGIN, PROTOCOL, columns_of
from indoubt.statistics.paired import ALPHA, corrected

#: By learner: its `start` (as `asdict` gives it), and the learner that is the same without one, if it is measured.
Starts = Mapping[str, Mapping[str, Any]]
#: What the row of a learner without a start says.
NO_START = "none"
#: Seeds that differ up to which all exchanges are counted, and exchanges drawn where there are more.
ALL_EXCHANGES, EXCHANGES = 16, 99_999


def starts_table(
    seeds: pd.DataFrame, decodes: Iterable[Row], starts: Starts, tasks: Mapping[str, Task]
) -> pd.DataFrame:
    """One row per (task, size, learner with a start), after one for each learner that they are without it.

    `class` is what most seeds do (`n` of `n_seeds`), `share` with its Wilson interval. Of the seeds `n_learned` have
    learned the start, `n_not_learned` have not and `n_start_diverged` have diverged in it; `share_learned` is the share
    of the class among the first. `p`: do the same seeds fall into other classes than without the start (`paired_p`)?
    Corrected by Holm over all learners with a start of the task.

    Args:
        seeds: the table `seed_classes`.
        decodes: rows of what was decoded at the ends of trainings, which say whether the start was learned.
    """
    learned = {
        (row["task"], row["size"], row["learner"], row["seed"]): row["start"] for row in decodes if row.get("start")
    }
    cells = {cast(tuple[str, int, str], key): cell for key, cell in seeds.groupby(CELL, sort=True)}
    bases = {about["base"] for about in starts.values()} - {""}
    rows: list[Row] = []
    for (task, size, learner), cell in cells.items():
        if learner in starts or learner in bases:
            about = starts.get(learner, {"base": learner})
            row = {
                "task": task,
                "size": size,
                "learner": learner,
                "base": about["base"],
                "start": NO_START,
                "differs": "",
            }
            row |= _most(cell)
            of_start = [learned.get((task, size, learner, seed), {}) for seed in cell["seed"]]
            row |= _learned(cell, of_start) if learner in starts else {}
            if learner in starts:
                start = Start.from_json(about["start"])
                row["start"] = _label(start, task, int(size))
                row["symbols"] = max(
                    len(start.joint(tasks, tasks[task], int(size), dataset)[1]) for dataset in tasks[task].datasets
                )
                row |= _beside(cell, cells.get((task, size, about["base"])), f"{task}/{size}/{learner}")
            rows.append(row | {part: either(cell[part]) for part in (*PROTOCOL, *ORIGIN)})
    for task in dict.fromkeys(row["task"] for row in rows):
        family = [row for row in rows if row["task"] == task and not math.isnan(row.get("p", math.nan))]
        for row, value in zip(family, corrected([row["p"] for row in family], "holm"), strict=True):
            row |= {"p_holm": value, "n_tests": len(family), "differs": str(value < ALPHA)}
    rows.sort(key=lambda row: (row["task"], row["size"], row["base"] or row["learner"], row["start"] != NO_START))
    return pd.DataFrame(rows, columns=columns_of("starts"))


def _label(start: Start, task: str, size: int) -> str:
    """What a start is called beside a measured task: T of this one is the same control in each column."""
    (first, *others) = start.stages
    own = not others and first.rule is None and (first.task, first.size) == (task, size)
    return "T itself" if own else start.label


def _most(cell: pd.DataFrame) -> Row:
    """The class of most seeds."""
    counts = cell["class"].value_counts()
    label = str(min(counts[counts == counts.max()].index))
    n, n_seeds = int(counts.max()), len(cell)
    interval = wilson(n, n_seeds)
    return {
        "class": label, "n": n, "n_seeds": n_seeds, "share": n / n_seeds,
        "ci_low": interval.low, "ci_high": interval.high,
    }  # fmt: skip


def _learned(cell: pd.DataFrame, of_start: Sequence[Mapping[str, Any]]) -> Row:
    """Whether seeds have learned their start, and what those do that have."""
    fits = [each.get("fits") for each in of_start]
    label = str(_most(cell)["class"])
    n_learned = sum(each is True for each in fits)
    n_both = sum(each is True and of == label for each, of in zip(fits, cell["class"], strict=True))
    return {
        "n_learned": n_learned,
        "n_not_learned": sum(each is False for each in fits),
        "n_start_diverged": sum(each.get("status") == "diverged" for each in of_start),
        "share_learned": n_both / n_learned if n_learned else math.nan,
    }


def _beside(cell: pd.DataFrame, base: pd.DataFrame | None, name: str) -> Row:
    """What the same seeds do without the start."""
    if base is None:
        return {"n_paired": 0, "p": math.nan}
    both = cell.set_index("seed")["class"].to_frame("after").join(base.set_index("seed")["class"], how="inner")
    after, before = both["after"].tolist(), both["class"].tolist()
    moved = sum(one != other for one, other in zip(after, before, strict=True))
    return {"n_paired": len(both), "n_moved": moved, "p": paired_p(after, before, name)}


def paired_p(after: Sequence[str], before: Sequence[str], name: str) -> float:
    """p of classes falling otherwise with a start than without, seed by seed; NaN for fewer than two seeds.

    If the start changes nothing, a seed's two classes may as well be exchanged. The statistic is the squared distance
    of the two vectors of counts; all exchanges are counted where few seeds differ, else drawn. For two classes it is
    the exact test of McNemar. Source: E. J. G. Pitman (1937); for nominal classes as in A. Stuart, Biometrika 42
    (1955).
    """
    if len(after) < 2:
        return math.nan
    labels = sorted({*after, *before})
    rows = [(labels.index(one), labels.index(other)) for one, other in zip(after, before, strict=True) if one != other]
    if not rows:
        return 1.0
    moves = np.zeros((len(rows), len(labels)))
    for place, (one, other) in enumerate(rows):
        moves[place, one] += 1
        moves[place, other] -= 1
    far = float((moves.sum(0) ** 2).sum()) - 1e-9
    if len(rows) <= ALL_EXCHANGES:
        signs = 1 - 2.0 * ((np.arange(2 ** len(rows))[:, None] >> np.arange(len(rows))) & 1)
        return float((((signs @ moves) ** 2).sum(1) >= far).mean())
    random = np.random.default_rng(zlib.crc32(name.encode()))
    signs = random.choice([-1.0, 1.0], size=(EXCHANGES, len(rows)))
    return float((((signs @ moves) ** 2).sum(1) >= far).sum() + 1) / (EXCHANGES + 1)
