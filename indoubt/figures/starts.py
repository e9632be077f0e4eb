"""What came before: starts by tasks, what most seeds do by colour and name, and whether the start changes it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from indoubt.figures.layout import SMALLEST, Drawing, small_print
from indoubt.figures.style import FAINT, INK, Palette, not_measured, our_settings
from indoubt.found.wording import fitted
from indoubt.measures.classify import NO_RULE
from indoubt.statistics.starts import NO_START

TITLE = "What do learners do after they have learned something else?"
#: Inches of a column and of a row, of the names beside and above them, of the title and of what stands below.
COLUMN, ROW, LEFT, ABOVE, TOP, BELOW = 1.05, 0.36, 2.0, 0.6, 0.3, 0.75
#: By whether it differs from no start: what is said, the mark's size, whether it is filled.
FORMS = {
    "none": ("no start", 8.0, True),
    "True": ("differs from no start", 12.0, True),
    "False": ("does not differ, or not sure", 8.0, False),
}


def starts_matrix(starts: pd.DataFrame, palette: Palette) -> Drawing:
    """A panel for each learner: its starts, none first, by tasks; a mark per cell.

    Args:
        starts: the table `starts`.
    """
    if starts.empty:
        return not_measured("all tasks", TITLE)
    shown = starts.assign(
        base=[base or learner for base, learner in zip(starts["base"], starts["learner"], strict=True)],
        column=[f"{task} {size}" for task, size in zip(starts["task"], starts["size"], strict=True)],
    )
    columns = list(dict.fromkeys(shown["column"]))
    bases = list(dict.fromkeys(shown["base"]))
    rows = {base: _rows(shown.loc[shown["base"] == base, "start"]) for base in bases}
    width = max(LEFT + COLUMN * len(columns) + 0.2, 6.0)
    height = TOP + BELOW + sum(ABOVE + 0.2 + ROW * len(of_base) for of_base in rows.values())
    with our_settings():
        figure = Figure(figsize=(width, height))
        top = height - TOP
        for base in bases:
            high = ROW * len(rows[base])
            top -= ABOVE + 0.2 + high
            wide = COLUMN * len(columns)
            axes = figure.add_axes((LEFT / width, top / height, wide / width, high / height))
            _prepare(axes, columns, rows[base])
            figure.text(0.01, (top + high + 0.1) / height, base, fontsize=8, fontweight="bold", va="bottom")
            for row in shown[shown["base"] == base].to_dict("records"):
                _mark(axes, columns.index(row["column"]), rows[base].index(row["start"]), row, palette)
        keys = [
            Line2D([], [], linestyle="", marker="o", markersize=size * 0.6, color=INK, label=said,
                   markerfacecolor=INK if filled else "white")
            for said, size, filled in FORMS.values()
        ]  # fmt: skip
        corner = (0, 0.36 / height)
        figure.legend(handles=keys, loc="lower left", ncols=3, frameon=False, fontsize=SMALLEST, bbox_to_anchor=corner)
        said = "Mark and name: what most seeds do, with their share. Differs: exchange test over paired seeds, Holm."
        lines = textwrap.wrap(small_print(shown, said), int(width * 15))
        figure.text(0.01, 0.04 / height, "\n".join(lines), fontsize=SMALLEST, va="bottom", ha="left")
        figure.text(0.01, 1 - 0.06 / height, TITLE, fontsize=9.5, fontweight="bold", va="top", ha="left")
    return Drawing([figure], [TITLE], "")


def _rows(starts: pd.Series) -> list[str]:
    """The starts of a learner, none first and the measured task's own T last."""
    return sorted(set(starts), key=lambda each: (each != NO_START, each == "T itself", each))


def _prepare(axes: Axes, columns: Sequence[str], rows: Sequence[str]) -> None:
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), [textwrap.fill(row, 30) for row in rows])
    axes.set_xticks(range(len(columns)), [textwrap.fill(column, 16) for column in columns])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.hlines([place + 0.5 for place in range(len(rows) - 1)], -0.5, len(columns) - 0.5, color=FAINT, linewidth=0.5)


def _mark(axes: Axes, x: int, y: int, row: dict[str, object], palette: Palette) -> None:
    """One cell: what most seeds do; where that is no rule, its name alone."""
    rule, share = str(row["class"]), float(str(row["share"]))
    _, size, filled = FORMS["none" if row["start"] == NO_START else str(row["differs"]) or "False"]
    shade = INK if rule in NO_RULE else palette.colour(rule)
    axes.plot(
        x - 0.38,
        y,
        marker="s" if rule in NO_RULE else "o",
        markersize=size,
        color=shade,
        markerfacecolor=shade if filled else "white",
        markeredgewidth=1.5,
    )
    weight = "bold" if filled and row["start"] != NO_START else "normal"
    axes.text(x - 0.26, y, f"{fitted(rule, 13)}\n{share:.0%}", fontsize=SMALLEST, va="center", fontweight=weight)
