"""How a bias moves during training: shares of seeds per rule, and code lengths, over updates."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from indoubt.figures.code_lengths import log_axis, log_floor
from indoubt.figures.layout import Drawing, Layout
from indoubt.figures.style import INK, Palette, not_measured, our_settings
from indoubt.measures.trajectories import half_fit

TITLE = "which rule do seeds follow after so many updates?"
CODE_TITLE = "code length after so many updates"


def trajectories(task: str, of: Mapping[str, pd.DataFrame], palette: Palette, layout: type[Layout]) -> Drawing:
    """Lines: share of all seeds per class; bands: Wilson intervals; dashed: half of the seeds fit T from here on."""
    table = of["trajectories"]
    if table.empty:
        return not_measured(task, TITLE)
    shown = [c for c in dict.fromkeys(table["class"]) if table.loc[table["class"] == c, "n"].sum() > 0]
    with our_settings():
        grid = layout(task, TITLE, table, row_height=1.25, keys=[_key(c, palette) for c in shown])
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
                _line(axes, line["update"], line["share"], line["ci_low"], line["ci_high"], label, palette)
        notes = "Lines: share of all seeds; bands: Wilson 95 % interval; dashed: half of the seeds fit T from here."
        return grid.finish("updates", "share of seeds", notes, counts=table)


def code_trajectories(task: str, of: Mapping[str, pd.DataFrame], palette: Palette, layout: type[Layout]) -> Drawing:
    """Lines: mean code length per candidate in bits, log scale; bands: BCa bootstrap intervals over seeds."""
    table = of["code_trajectories"]
    measured = table[table["bits_mean"].notna()]
    if measured.empty:
        return not_measured(task, CODE_TITLE)
    shown = list(dict.fromkeys(measured["candidate"]))
    floor = log_floor(measured["bits_mean"])
    with our_settings():
        grid = layout(task, CODE_TITLE, measured, row_height=1.25, keys=[_key(c, palette) for c in shown])
        for axes, cell in grid.panels():
            log_axis(axes, "y", floor, measured["bits_mean"])
            _update_axis(axes, measured["update"])
            if cell.empty:
                continue
            axes.grid(axis="y")
            for label in shown:
                line = cell[cell["candidate"] == label].sort_values("update")
                low, high = (line[c].fillna(line["bits_mean"]).clip(lower=floor) for c in ("ci_low", "ci_high"))
                _line(axes, line["update"], line["bits_mean"].clip(lower=floor), low, high, label, palette)
        notes = "Lines: mean over seeds; bands: BCa 95 % interval."
        return grid.finish("updates", "code length (bits)", notes, counts=measured)


def _line(
    axes: Axes, updates: pd.Series, middle: pd.Series, low: pd.Series, high: pd.Series, label: str, palette: Palette
) -> None:
    x, shade = updates.to_numpy(dtype=float), palette.colour(label)
    axes.fill_between(x, low.to_numpy(dtype=float), high.to_numpy(dtype=float), color=shade, alpha=0.15, linewidth=0)
    axes.plot(x, middle.to_numpy(dtype=float), color=shade, linewidth=1.1, marker=palette.marker(label), markersize=2.8)


def _key(label: str, palette: Palette) -> Line2D:
    return Line2D(
        [], [], color=palette.colour(label), marker=palette.marker(label), markersize=4, linewidth=1.1, label=label
    )


def _update_axis(axes: Axes, updates: pd.Series) -> None:
    """A log axis with the milestones themselves as ticks, as many as have room."""
    moments = np.unique(updates.to_numpy(dtype=int))
    axes.set_xscale("log")
    axes.set_xlim(moments[0] / 1.15, moments[-1] * 1.15)
    room, ticks = np.log(moments[-1] / moments[0]) / 5, [moments[-1]]
    for moment in moments[-2::-1]:
        if np.log(ticks[-1] / moment) >= room:
            ticks.append(moment)
    axes.set_xticks(ticks, [f"{moment:,}" for moment in ticks])
    axes.set_xticks([], minor=True)
