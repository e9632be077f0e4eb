"""Code length per block: how the code of each candidate gets shorter as its examples come in."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from indoubt.figures.code_lengths import log_axis, log_floor
from indoubt.figures.layout import Grid, Stack, small_print
from indoubt.figures.style import colour, marker, not_measured, our_settings

TITLE = "code length per block (bits per example)"


def code_curves(
    task: str, blocks: pd.DataFrame, code: pd.DataFrame, rules: list[str], layout: type[Grid | Stack] = Grid
) -> Figure:
    """Lines: median over seeds of a block's bits per example; bands: the middle half of the seeds; log scale.

    Args:
        blocks: the task's rows of the table `blocks`.
        code: the task's rows of the table `code_length`; gives the order of candidates and the numbers of seeds.
        rules: the task's candidate rules, in order: each has its colour.
    """
    scored = blocks[blocks["bits"].notna()]
    if scored.empty:
        return not_measured(task, TITLE)
    candidates = list(dict.fromkeys(code["candidate"]))
    scored = scored.assign(per_example=scored["bits"] / scored["n_examples"])
    curves = (
        scored.groupby(["learner", "size", "dataset", "block"])["per_example"]
        .quantile(np.array([0.25, 0.5, 0.75]))
        .unstack()
        .reset_index()
    )
    floor = log_floor(curves[0.5])
    with our_settings():
        keys = [
            Line2D([], [], color=colour(c, rules), marker=marker(c, rules), markersize=4, linewidth=1.1, label=c)
            for c in candidates
        ]
        grid = layout(task, TITLE, curves, row_height=1.15, keys=keys)
        for axes, cell in grid.panels():
            log_axis(axes, "y", floor, pd.concat([curves[q] for q in (0.25, 0.75)]))
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            if cell.empty:
                continue
            axes.grid(axis="y")
            for candidate in candidates:
                curve = cell[cell["dataset"] == candidate]
                low, median, high = (np.maximum(curve[q].to_numpy(dtype=float), floor) for q in (0.25, 0.5, 0.75))
                axes.fill_between(curve["block"], low, high, color=colour(candidate, rules), alpha=0.18, linewidth=0)
                axes.plot(
                    curve["block"], median, color=colour(candidate, rules), linewidth=1.1,
                    marker=marker(candidate, rules), markersize=2.6,
                )  # fmt: skip
        notes = small_print(code, "Lines: median over seeds; bands: the middle half of the seeds (25 % to 75 %).")
        return grid.finish("hold-out block", notes)
