"""Code length of each candidate's hold-out, per learner and size: every seed a point, and block by block."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from indoubt.data.codes import CodeKind
from indoubt.figures.layout import Drawing, Layout
from indoubt.figures.style import INK, Palette, not_measured, our_settings
from indoubt.measures.code_length import block_quartiles
from indoubt.schema import KIND

TITLE = "code length of each candidate"
CURVES_TITLE = "code length per block (bits per example)"


def code_lengths(task: str, of: Mapping[str, pd.DataFrame], palette: Palette, layout: type[Layout]) -> Drawing:
    """Points: seeds; black bar: median; black-rimmed diamond: mean with its BCa interval; bits, on a log scale."""
    lengths, code = of["seed_code_lengths"], of["code_length"]
    if code.empty or code[["n_seeds", "n_at_least"]].to_numpy().sum() == 0:
        return not_measured(task, TITLE)
    candidates = list(dict.fromkeys(code["candidate"]))
    floor = log_floor(lengths["bits_at_least"])
    with our_settings():
        grid = layout(task, TITLE, code, row_height=0.35 + 0.27 * len(candidates))
        for axes, cell in grid.panels():
            axes.set_ylim(len(candidates) - 0.4, -0.6)
            axes.set_yticks(range(len(candidates)), candidates)
            axes.tick_params(axis="y", length=0)
            log_axis(axes, "x", floor, lengths["bits_at_least"])
            if cell.empty:
                continue
            axes.grid(axis="x")
            seeds = lengths[(lengths["learner"] == cell["learner"].iloc[0]) & (lengths["size"] == cell["size"].iloc[0])]
            for place, candidate in enumerate(candidates):
                known = seeds[(seeds["candidate"] == candidate) & seeds["bits_at_least"].notna()]
                bits = known["bits_at_least"].to_numpy(dtype=float)
                spread = np.random.default_rng(0).uniform(-0.22, 0.22, len(bits)) * (len(bits) > 1)
                x, y, whole = np.maximum(bits, floor), place + spread, known["bits"].notna().to_numpy()
                axes.scatter(
                    x[whole], y[whole], s=9, alpha=0.55, linewidths=0,
                    color=palette.colour(candidate), marker=palette.marker(candidate),
                )  # fmt: skip
                axes.scatter(
                    x[~whole], y[~whole], s=12, alpha=0.7, linewidths=0.7, marker=">", facecolors="none",
                    edgecolors=palette.colour(candidate),
                )  # fmt: skip
                _mark(axes, cell[cell["candidate"] == candidate], place, floor)
        notes = ["Points: seeds; bar: median; diamond: mean with BCa 95 % interval (none for one or equal seeds)."]
        diverged = int(code["n_diverged"].sum())
        notes += ["Open triangles: seeds whose code is at least so long."] if code["n_at_least"].any() else []
        notes += _of_kinds(code)
        notes += [f"{diverged} diverged codes are not shown."] if diverged else []
        return grid.finish("code length (bits)", "", *notes, counts=_with_bounds(code))


def code_curves(task: str, of: Mapping[str, pd.DataFrame], palette: Palette, layout: type[Layout]) -> Drawing:
    """Lines: median over seeds of a block's bits per example; bands: the middle half of the seeds; log scale."""
    code, curves = of["code_length"], block_quartiles(of["blocks"])
    if curves.empty:
        return not_measured(task, CURVES_TITLE)
    candidates = list(dict.fromkeys(code["candidate"]))
    floor = log_floor(curves["median"])
    with our_settings():
        keys = [
            Line2D([], [], color=palette.colour(c), marker=palette.marker(c), markersize=4, linewidth=1.1, label=c)
            for c in candidates
        ]
        grid = layout(task, CURVES_TITLE, curves, row_height=1.15, keys=keys)
        for axes, cell in grid.panels():
            log_axis(axes, "y", floor, pd.concat([curves["quarter"], curves["three_quarters"]]))
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
            if cell.empty:
                continue
            axes.grid(axis="y")
            for candidate in candidates:
                curve, shade = cell[cell["dataset"] == candidate], palette.colour(candidate)
                low, median, high = (
                    np.maximum(curve[name].to_numpy(dtype=float), floor)
                    for name in ("quarter", "median", "three_quarters")
                )
                axes.fill_between(curve["block"], low, high, color=shade, alpha=0.18, linewidth=0)
                axes.plot(
                    curve["block"], median, color=shade, linewidth=1.1, marker=palette.marker(candidate), markersize=2.6
                )
        notes = ["Lines: median over seeds; bands: the middle half of the seeds (25 % to 75 %).", *_of_kinds(code)]
        return grid.finish("hold-out block", "bits per example", *notes, counts=_with_bounds(code))


def _with_bounds(code: pd.DataFrame) -> pd.DataFrame:
    """The table with all seeds of which something is known as its seeds."""
    return code.assign(n_seeds=code["n_seeds"] + code["n_at_least"])


def _of_kinds(code: pd.DataFrame) -> list[str]:
    """How codes were measured, where that is not the paper's way, in a sentence."""
    kinds = {CodeKind(*kind).words for kind in code[KIND].itertuples(index=False, name=None)} - {""}
    return [f"Codes {'; '.join(sorted(kinds))}."] if kinds else []


def _mark(axes: Axes, row: pd.DataFrame, place: int, floor: float) -> None:
    """Median, mean and interval of one candidate."""
    if row.empty or row["n_seeds"].iloc[0] == 0 or row["n_at_least"].iloc[0] > 0:
        return
    shown = ("bits_mean", "bits_median", "ci_low", "ci_high")
    mean, median, low, high = (max(float(row[c].iloc[0]), floor) for c in shown)
    if row["n_seeds"].iloc[0] > 1:
        axes.plot([median, median], [place - 0.32, place + 0.32], color=INK, linewidth=1.4, solid_capstyle="butt")
    if not row[["ci_low", "ci_high"]].isna().any(axis=None):
        axes.plot([low, high], [place, place], color=INK, linewidth=0.8)
    axes.plot(mean, place, marker="D", markersize=4, markerfacecolor="white", markeredgecolor=INK, markeredgewidth=0.8)


def log_floor(bits: pd.Series) -> float:
    """Where a log axis of these code lengths (bits) begins: a decade; zero and what is shorter is drawn there."""
    positive = bits[bits > 0]
    lowest = float(positive.min()) if len(positive) else 1.0
    room_for_zero = 1 if (bits <= 0).any() else 0
    return float(10.0 ** max(-7, math.floor(math.log10(lowest)) - room_for_zero))


def log_axis(axes: Axes, which: str, floor: float, values: pd.Series) -> None:
    """A log axis from `floor` to the decade above the highest value, the floor labelled `≤` if anything lies below."""
    highest = float(values.max())
    bottom, top = round(math.log10(floor)), math.ceil(math.log10(max(highest, floor * 10)) - 1e-9)
    step = max(1, math.ceil((top - bottom) / 4))
    ticks = [10.0**power for power in range(bottom, top + 1, step)]
    if top == bottom + 1:  # within a decade
        ticks = [factor * 10.0**bottom for factor in (1, 2, 5, 10)]
    labels = [_in_digits(tick) for tick in ticks]
    labels[0] = f"≤{labels[0]}" if (values < floor).any() else labels[0]
    room = 10 ** (0.06 * (top - bottom))
    if which == "x":
        axes.set_xscale("log")
        axes.set_xlim(floor / room, 10.0**top * room)
        axes.set_xticks(ticks, labels)
        axes.set_xticks([], minor=True)
    else:
        axes.set_yscale("log")
        axes.set_ylim(floor / room, 10.0**top * room)
        axes.set_yticks(ticks, labels)
        axes.set_yticks([], minor=True)


def _in_digits(value: float) -> str:
    """`0.01`, `20`, `1,000`; a power of ten that would take more, as `10⁻⁵`."""
    if value * 1.001 >= 1e-3 and value < 1e5:
        return f"{value:,.0f}" if value >= 1 else f"{value:g}"
    return "10" + f"{round(math.log10(value))}".translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
