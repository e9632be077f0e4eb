"""How much hangs on hyperparameters: the leading rule's share and fit by the values of swept arguments."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from indoubt.figures.layout import SMALLEST, Drawing, Layout
from indoubt.figures.style import INK, NO_RULE_COLOURS, Palette, not_measured, our_settings
from indoubt.schema import columns_of
from indoubt.statistics.sweeps import in_order

NOTES = (
    "Shares of all seeds: of those that follow the rule that most seeds of the sweep follow, and of those that fit T; "
    "whiskers: Wilson 95 % interval, in maps counts."
)
TITLE = "how much hangs on hyperparameters?"
#: What is shown of a cell: title, columns of share, count and interval, and how it is drawn as a line.
SHOWN = (
    ("share of {rule}", ("share", "n", "ci_low", "ci_high"), ("#0072b2", "o")),
    ("fit T", ("fit", "n_fit", "fit_ci_low", "fit_ci_high"), (NO_RULE_COLOURS["other"], "s")),
)


def sweeps(task: str, of: Mapping[str, pd.DataFrame], palette: Palette, layout: type[Layout]) -> Drawing:
    """One swept argument: lines with Wilson intervals; two: a map of shares, counts in its cells; more: maps for each
    setting of the others.
    """
    table = of["sweeps"]
    if table.empty:
        return not_measured(task, TITLE)
    panels = list(_panels(table))
    places = pd.DataFrame([{"learner": title, "size": size} for title, size, *_ in panels])
    tallest = max(0.5 + 0.24 * len(y) if y else 1.3 for *_, y in panels)
    keys = [
        Line2D([], [], color=c, marker=m, markersize=4, label=label.format(rule="the leading rule"))
        for label, _, (c, m) in SHOWN
    ]
    with our_settings():
        has_lines = any(not y for *_, y in panels)
        grid = layout(task, TITLE, places, row_height=tallest, keys=keys if has_lines else ())
        contents = {(title, size): (rows, what, x, y) for title, size, rows, what, x, y in panels}
        for axes, cell in grid.panels():
            if cell.empty:
                axes.set_visible(False)
                continue
            rows, what, x, y = contents[cell["learner"].iloc[0], cell["size"].iloc[0]]
            if y:
                _map(axes, rows, what, x, y)
            else:
                _lines(axes, rows, x)
        return grid.finish("", "share of seeds" if has_lines else "", NOTES, counts=table)


def _panels(table: pd.DataFrame) -> Iterator[tuple[str, int, pd.DataFrame, Sequence[str], str, str]]:
    """Title, size, rows, columns shown (none: all, as lines), the argument along and the one down (none for lines)."""
    for key, rows in table.groupby(["sweep", "size"], sort=True):
        name, size = cast(tuple[str, int], key)
        arguments = [c for c in rows.columns if c not in columns_of("sweeps") and (rows[c] != "").any()]
        arguments.sort(key=lambda a: -rows[a].nunique())
        rule = rows["rule"].iloc[0] or "no rule"
        if len(arguments) == 1:
            yield f"{name}: {rule} and fit", size, rows, (), arguments[0], ""
            continue
        along, down, *others = arguments
        settings = itertools.product(*(in_order(list(rows[a].astype(str))) for a in others))
        for setting in settings:
            of = rows
            for argument, value in zip(others, setting, strict=True):
                of = of[of[argument].astype(str) == value]
            where = "".join(f", {a} {v}" for a, v in zip(others, setting, strict=True))
            for label, columns, _ in SHOWN:
                yield f"{name}{where}: {label.format(rule=rule)}", size, of, columns, along, down


def _lines(axes: Axes, rows: pd.DataFrame, argument: str) -> None:
    """Share of the leading rule and of seeds that fit, with Wilson intervals, over an argument's values."""
    order = in_order(list(rows[argument].astype(str)))
    rows = rows.assign(place=[order.index(v) for v in rows[argument].astype(str)]).sort_values("place")
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_xticks(range(len(order)), order)
    axes.set_xlim(-0.4, len(order) - 0.6)
    axes.grid(axis="y")
    for nudge, (_, (share, _, low, high), (colour, marker)) in zip((-0.04, 0.04), SHOWN, strict=True):
        whiskers = [(rows[share] - rows[low]).clip(lower=0), (rows[high] - rows[share]).clip(lower=0)]
        axes.errorbar(
            rows["place"] + nudge, rows[share], yerr=whiskers, color=colour, marker=marker, markersize=3.5,
            linewidth=1.1, elinewidth=0.8, capsize=1.6,
        )  # fmt: skip
    axes.set_xlabel(argument)


def _map(axes: Axes, rows: pd.DataFrame, columns: Sequence[str], along: str, down: str) -> None:
    """Shares as shades, and as counts in the cells, by the values of two arguments."""
    share, n = columns[:2]
    x, y = (in_order(list(rows[a].astype(str))) for a in (along, down))
    shades = np.full((len(y), len(x)), np.nan)
    for row in rows.to_dict("records"):
        at = y.index(str(row[down])), x.index(str(row[along]))
        shades[at] = row[share]
        ink = "white" if row[share] > 0.55 else INK
        axes.text(at[1], at[0], f"{row[n]}/{row['n_seeds']}", ha="center", va="center", fontsize=SMALLEST, color=ink)
    axes.imshow(shades, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(x)), x)
    axes.set_yticks(range(len(y)), [f"{down} {v}" for v in y])
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlabel(along)
