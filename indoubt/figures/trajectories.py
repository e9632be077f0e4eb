"""How a bias moves during training: shares of seeds per rule, and code lengths, over updates."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from indoubt.figures.code_lengths import log_axis, log_floor
from indoubt.figures.layout import Grid, Stack, small_print
from indoubt.figures.style import INK, colour, marker, not_measured, our_settings
from indoubt.measures.trajectories import half_fit

TITLE = "which rule do seeds follow after so many updates?"
CODE_TITLE = "code length after so many updates"


def trajectories(task: str, table: pd.DataFrame, rules: list[str], layout: type[Grid | Stack] = Grid) -> Figure:
    """Lines: share of all seeds per class; bands: Wilson intervals; dashed: half of the seeds fit T from here on.

    Args:
        table: the task's rows of the table `trajectories`.
        rules: the task's rules, in order: each has its colour.
    """
    if table.empty:
        return not_measured(task, TITLE)
    shown = [c for c in dict.fromkeys(table["class"]) if table.loc[table["class"] == c, "n"].sum() > 0]
    with our_settings():
        grid = layout(task, TITLE, table, row_height=1.25, keys=[_key(c, rules) for c in shown])
        for axes, cell in grid.panels():
            axes.set_ylim(-0.02, 1.02)
            axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
            _update_axis(axes, table["update"])
            if cell.empty:
                continue
            axes.grid(axis="y")
            half = half_fit(cell)
            if half is not None:
                axes.axvline(half, color=INK, linewidth=0.8, linestyle="--")
            for label in shown:
                line = cell[cell["class"] == label].sort_values("update")
                _line(axes, line["update"], line["share"], line["ci_low"], line["ci_high"], label, rules)
        notes = small_print(
            table,
            "Lines: share of all seeds; bands: Wilson 95 % interval; dashed: half of the seeds fit T from here.",
        )
        return grid.finish("updates", notes)


def code_trajectories(task: str, table: pd.DataFrame, rules: list[str], layout: type[Grid | Stack] = Grid) -> Figure:
    """Lines: mean code length per candidate in bits, log scale; bands: BCa bootstrap intervals over seeds.

    Args:
        table: the task's rows of the table `code_trajectories`.
        rules: the task's rules, in order: each has its colour.
    """
    measured = table[table["bits_mean"].notna()]
    if measured.empty:
        return not_measured(task, CODE_TITLE)
    shown = list(dict.fromkeys(measured["candidate"]))
    floor = log_floor(measured["bits_mean"])
    with our_settings():
        grid = layout(task, CODE_TITLE, measured, row_height=1.25, keys=[_key(c, rules) for c in shown])
        for axes, cell in grid.panels():
            log_axis(axes, "y", floor, measured["bits_mean"])
            _update_axis(axes, measured["update"])
            if cell.empty:
                continue
            axes.grid(axis="y")
            for label in shown:
                line = cell[cell["candidate"] == label].sort_values("update")
                low, high = (line[c].fillna(line["bits_mean"]).clip(lower=floor) for c in ("ci_low", "ci_high"))
                _line(axes, line["update"], line["bits_mean"].clip(lower=floor), low, high, label, rules)
        notes = small_print(measured, "Lines: mean over seeds, bits; bands: BCa 95 % interval.")
        return grid.finish("updates", notes)


def _line(
    axes: Axes, updates: pd.Series, middle: pd.Series, low: pd.Series, high: pd.Series, label: str, rules: list[str]
) -> None:
    x, shade = updates.to_numpy(dtype=float), colour(label, rules)
    axes.fill_between(x, low.to_numpy(dtype=float), high.to_numpy(dtype=float), color=shade, alpha=0.15, linewidth=0)
    axes.plot(x, middle.to_numpy(dtype=float), color=shade, linewidth=1.1, marker=marker(label, rules), markersize=2.8)


def _key(label: str, rules: list[str]) -> Line2D:
    return Line2D(
        [], [], color=colour(label, rules), marker=marker(label, rules), markersize=4, linewidth=1.1, label=label
    )


def _update_axis(axes: Axes, updates: pd.Series) -> None:
    """A log axis with the milestones themselves as ticks, as many as have room."""
    moments = np.unique(updates.to_numpy(dtype=int))
    axes.set_xscale("log")
    axes.set_xlim(moments[0] / 1.15, moments[-1] * 1.15)
    room, ticks = np.log(moments[-1] / moments[0]) / 6, [moments[-1]]
    for moment in moments[-2::-1]:
        if np.log(ticks[-1] / moment) >= room:
            ticks.append(moment)
    axes.set_xticks(ticks, [f"{moment:,}" for moment in ticks])
    axes.set_xticks([], minor=True)
