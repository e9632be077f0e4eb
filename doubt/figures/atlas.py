"""The atlas: learners by tasks, the preferred rule by colour and name, how sure by form."""

from __future__ import annotations

import math
import textwrap

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from doubt.figures.layout import small_print
from doubt.figures.style import FAINT, INK, RC, colour, not_measured, rules_of
from doubt.measures.classify import NO_RULE
from doubt.statistics.preferences import NOT_MEASURED, OPEN, TESTED

TITLE = "What do learners do when in doubt?"
#: Inches of a column and of a row, and of the names beside and above them.
COLUMN, ROW, LEFT, ABOVE = 1.0, 0.42, 1.5, 0.75
#: How sure, by form: said, size of the mark, whether it is filled.
FORMS = {
    TESTED: ("sure", 13.0, True),
    OPEN: ("leads, not sure", 10.0, False),
    "": ("seen, too few seeds to test", 6.0, False),
}


def atlas(verdicts: pd.DataFrame, fpa: pd.DataFrame, code: pd.DataFrame) -> Figure:
    """One mark per cell: a rule's colour and name where one leads, a dash where seeds follow none or do not fit T.

    Args:
        verdicts: the table `verdicts`.
        fpa: the table `fpa`, `code`: the table `code_length`; they give the order of a task's rules.
    """
    if verdicts.empty:
        return not_measured("all tasks", TITLE)
    sized = verdicts.groupby("task")["size"].nunique()
    columns = sorted({(str(task), int(size)) for task, size in zip(verdicts["task"], verdicts["size"], strict=True)})
    learners = sorted(set(verdicts["learner"]))
    with matplotlib.rc_context(RC):
        said = "Mark and name: the rule that is preferred, or that leads, with the share of seeds that follow it."
        notes = small_print(fpa if len(fpa) else code, said)
        width = max(LEFT + COLUMN * len(columns) + 0.2, 5.0)
        lines = textwrap.wrap(notes, int(width * 17))
        below = 0.35 + 0.13 * len(lines)
        height = ABOVE + ROW * len(learners) + below
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes(
            (LEFT / width, below / height, COLUMN * len(columns) / width, ROW * len(learners) / height)
        )
        axes.set_xlim(-0.5, len(columns) - 0.5)
        axes.set_ylim(len(learners) - 0.5, -0.5)
        axes.set_yticks(range(len(learners)), learners)
        names = [task if sized[task] == 1 else f"{task} {size}" for task, size in columns]
        axes.set_xticks(range(len(columns)), [textwrap.fill(name, 13) for name in names])
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.hlines(
            [place + 0.5 for place in range(len(learners) - 1)], -0.5, len(columns) - 0.5, color=FAINT, linewidth=0.5
        )
        for row in verdicts.to_dict("records"):
            task = str(row["task"])
            rules = rules_of([*fpa.loc[fpa["task"] == task, "class"], *code.loc[code["task"] == task, "candidate"]])
            _mark(axes, columns.index((task, int(row["size"]))), learners.index(str(row["learner"])), row, rules)
        keys = [
            Line2D([], [], linestyle="", marker="o", markersize=size * 0.6, color=INK, label=said,
                   markerfacecolor=INK if filled else "white")
            for said, size, filled in FORMS.values()
        ]  # fmt: skip
        figure.legend(
            handles=keys,
            loc="lower left",
            ncols=3,
            frameon=False,
            fontsize=7,
            bbox_to_anchor=(0, (below - 0.33) / height),
        )
        figure.text(0.01, 0.04 / height, "\n".join(lines), fontsize=6, va="bottom", ha="left")
        figure.text(0.01, 1 - 0.06 / height, TITLE, fontsize=9.5, fontweight="bold", va="top", ha="left")
    return figure


def _mark(axes: Axes, x: int, y: int, row: dict[object, object], rules: list[str]) -> None:
    """One cell's mark, with the rule's name and the share of seeds that follow it, or why there is none."""
    by_code = row["code_level"] != NOT_MEASURED
    rule = str(row["rule"] or (row["code_lead"] if by_code else row["fpa_class"]) or row["fpa_class"])
    share = float(str(row["fpa_share"]))
    of = f"\n{share:.0%}" if not math.isnan(share) and rule == row["fpa_class"] else ""
    if rule in NO_RULE or not rule:
        axes.text(x, y, f"– {rule}{of}", fontsize=6, linespacing=1.3, ha="center", va="center", color=INK)
        return
    _, size, filled = FORMS.get(str(row["level"]), FORMS[""])
    shade = colour(rule, rules)
    axes.plot(
        x - 0.36,
        y,
        marker="o",
        markersize=size,
        color=shade,
        markerfacecolor=shade if filled else "white",
        markeredgewidth=1.5,
    )
    axes.text(
        x - 0.22, y, f"{rule}{of}", fontsize=6.5, ha="left", va="center", fontweight="bold" if filled else "normal"
    )
