"""The atlas's marks for cells whose seeds follow no given rule: what was found of them, by forms of their own.

A diamond is a rule that was found, filled where it holds, open where it does about; a pie the kinds of a split; dots
the answers of a mixture; a half disc a given rule that is followed with misses; a square a kind of output; and where
nothing holds, a ring whose dark arc is the share on which seeds agree. All are told by form, none by colour alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Arc, Wedge
from matplotlib.transforms import Affine2D, ScaledTranslation

from indoubt.figures.layout import SMALLEST
from indoubt.figures.style import FAINT, INK
from indoubt.found.findings import ABOUT, GIVEN, KIND, MIXTURE, NONE, RULE, SPLIT
from indoubt.found.wording import fitted, short_name
from indoubt.schema.wording import percent

#: Points across a mark; greys of a pie's kinds, the largest first.
SIZE = 9.0
GREYS = (INK, "#8a8a8a", "#c4c4c4", "white")
#: Characters of a line of a cell.
ROOM = 11
KEYS = {
    "found: a rule": {"marker": "D", "markersize": 5.5, "markerfacecolor": INK},
    "about": {"marker": "D", "markersize": 5.5, "markerfacecolor": "white"},
    "kinds of seeds": {"marker": "o", "markersize": 6.5, "fillstyle": "left", "markerfacecoloralt": "#8a8a8a"},
    "one of several answers": {"marker": "$\\therefore$", "markersize": 7},
    "a given rule, with misses": {
        "marker": "o",
        "markersize": 6.5,
        "fillstyle": "bottom",
        "markerfacecoloralt": "white",
    },
    "a kind of output": {"marker": "s", "markersize": 5.5, "markerfacecolor": "white"},
    "seeds agree so far": {"marker": "o", "markersize": 6.5, "markerfacecolor": "white", "markeredgecolor": "#8a8a8a"},
}
Rows = Sequence[Mapping[str, Any]]


def keys() -> list[Line2D]:
    """What the marks mean, for a legend."""
    plain = {"linestyle": "", "color": INK, "markeredgecolor": INK, "markeredgewidth": 0.9}
    return [Line2D([], [], label=said, **{**plain, **form}) for said, form in KEYS.items()]  # type: ignore[arg-type]


def mark_found(axes: Axes, x: int, y: int, rows: Rows) -> bool:
    """Draw what was found of a cell's seeds; whether there is anything to draw."""
    row = rows[0]
    form = str(row["form"])
    if row["note"] or form not in (RULE, SPLIT, MIXTURE, GIVEN, ABOUT, KIND, NONE):
        return False
    at = x - 0.36, y
    if form in (RULE, ABOUT, KIND):
        marker, fill = ("s" if form == KIND else "D"), (INK if form == RULE else "white")
        size = SIZE * (0.62 if form == KIND else 0.66)
        axes.plot(*at, marker=marker, markersize=size, color=INK, markerfacecolor=fill, markeredgewidth=1.1)
    elif form == GIVEN:
        style = {"fillstyle": "bottom", "markerfacecoloralt": "white", "markeredgewidth": 1.1}
        axes.plot(*at, marker="o", markersize=SIZE * 0.85, color=INK, **style)  # type: ignore[arg-type]
    elif form == MIXTURE:
        for right, up in ((-0.055, 0.14), (0.055, 0.14), (0.0, -0.14)):
            axes.plot(at[0] + right, at[1] + up, marker="o", markersize=SIZE * 0.33, color=INK, markeredgewidth=0)
    else:
        _round(axes, at, row, rows, form)
    said, share = _said(rows, form)
    lines = f"{said}\n{share}"
    axes.text(x - 0.22, y, lines, fontsize=SMALLEST, linespacing=1.15, style="italic", ha="left", va="center")
    return True


def _said(rows: Rows, form: str) -> tuple[str, str]:
    """The two lines of a cell."""
    row = rows[0]
    share = percent(row["within_one"] if form == ABOUT else row["share"])
    if form == SPLIT:
        return f"{len(rows)} kinds {share}", "+".join(str(int(part["n_part"])) for part in rows)
    if form == MIXTURE:
        return f"one of {len(rows)}", share
    if form == NONE:
        return "agree on", percent(row["consensus"])
    name = str(row["given"]) if form == GIVEN else short_name(row)
    return fitted(name, ROOM), f"±1: {share}" if form == ABOUT else share


def _round(axes: Axes, at: tuple[float, float], row: Mapping[str, Any], rows: Rows, form: str) -> None:
    """A pie of the kinds of seeds, or a ring of which as much is dark as seeds agree."""
    figure = axes.figure
    circle = Affine2D().scale(SIZE / 72) + figure.dpi_scale_trans + ScaledTranslation(*at, axes.transData)  # type: ignore[arg-type]
    if form == SPLIT:
        whole, begun = sum(int(part["n_part"]) for part in rows), 90.0
        for part, grey in zip(sorted(rows, key=lambda each: -int(each["n_part"])), GREYS, strict=False):
            end = begun - 360 * int(part["n_part"]) / whole
            wedge = Wedge((0, 0), 0.5, end, begun, facecolor=grey, edgecolor=INK, linewidth=0.6, transform=circle)
            axes.add_patch(wedge)
            begun = end
        return
    agreed = 0.0 if math.isnan(row["consensus"]) else float(row["consensus"])
    for start, end, shade, width in ((0.0, 360.0, FAINT, 1.4), (90 - 360 * agreed, 90.0, INK, 1.4)):
        arc = Arc((0, 0), 0.9, 0.9, theta1=start, theta2=end, color=shade, linewidth=width, transform=circle)
        axes.add_patch(arc)
