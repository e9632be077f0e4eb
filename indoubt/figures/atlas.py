"""The atlas: learners by tasks, the preferred rule by colour and name, how sure by form."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from indoubt.data.rules import FOUND
from indoubt.errors import UserError, nearest
from indoubt.figures.found_marks import ROOM, Rows, mark_found
from indoubt.figures.found_marks import keys as found_keys
from indoubt.figures.layout import SMALLEST, Drawing, small_print
from indoubt.figures.style import FAINT, INK, Palette, not_measured, our_settings
from indoubt.found.wording import by_cell, fitted
from indoubt.measures.classify import NO_RULE, OTHER
from indoubt.statistics.preferences import NOT_MEASURED, OPEN, TESTED

TITLE = "What do learners do when in doubt?"
#: Inches of a column and of a row, of the names beside and above them, and of the title.
COLUMN, ROW, LEFT, ABOVE, TOP = 0.88, 0.36, 1.42, 0.6, 0.3
#: Columns side by side: what a page shows at a size that can be read; further ones lie below.
ABREAST = 9
#: How sure, by form: said, size of the mark, whether it is filled.
FORMS = {
    TESTED: ("sure", 12.0, True),
    OPEN: ("leads, not sure", 10.0, False),
    "": ("seen, too few seeds to test", 6.0, False),
}


def atlas(
    verdicts: pd.DataFrame,
    fpa: pd.DataFrame,
    code: pd.DataFrame,
    columns: Sequence[str] | None = None,
    learners: Sequence[str] | None = None,
    found: pd.DataFrame | None = None,
) -> Drawing:
    """One mark per cell: a rule's colour and name where one leads, what was found where seeds follow none, else a dash.

    Args:
        verdicts: the table `verdicts`.
        fpa: the table `fpa`, `code`: the table `code_length`; they give the order of a task's rules.
        columns: tasks with their sizes, as in `add-or-mul/5`, and `learners`: which, in this order; None: all, by name.
        found: the table `found_rules`; None: nothing was searched.

    Raises:
        UserError: there is no such task, size or learner in the table.
    """
    if verdicts.empty:
        return not_measured("all tasks", TITLE)
    pairs = [*zip(verdicts["task"], verdicts["size"].astype(int), strict=True)]
    shown = verdicts.assign(column=pd.Series(pairs, index=verdicts.index, dtype=object))
    at = {f"{task}/{size}": (task, size) for task, size in sorted(set(pairs))}
    chosen = [at[name] for name in _chosen(columns, list(at), "task and size")]
    rows = _chosen(learners, sorted(set(shown["learner"])), "learner")
    shown = shown[shown["column"].isin(chosen) & shown["learner"].isin(rows)]
    bands = []
    for first in range(0, len(chosen), ABREAST):
        of_band = chosen[first : first + ABREAST]
        there = set(shown.loc[shown["column"].isin(of_band), "learner"])
        bands.append((of_band, [learner for learner in rows if learner in there]))
    palette = Palette(fpa, code)
    sizes = {task: sum(each == task for each, _ in chosen) for task, _ in chosen}
    blind = dict(shown.loc[shown["cannot_tell"] != "", ["learner", "cannot_tell"]].itertuples(index=False, name=None))
    of_others = {} if found is None else dict(by_cell(_of(shown, found)))
    adopted = {*fpa.loc[fpa["kind"] == FOUND, ["task", "class"]].itertuples(index=False, name=None)}
    with our_settings():
        explanation = "Mark and name: the rule that is preferred, or leads, with the share of seeds that follow it."
        if blind:
            what = " or ".join(sorted({kind for kinds in blind.values() for kind in kinds.split()}))
            explanation += f" † cannot tell {what}, whatever its weights are: rules that ask for it are not beaten."
        width = max(LEFT + COLUMN * max(len(of_band) for of_band, _ in bands) + 0.2, 5.0)
        printed = small_print(_of(shown, fpa if len(fpa) else code), explanation)
        lines = textwrap.wrap(printed, int(width * 15))
        below = 0.35 + 0.15 * len(lines) + (0.36 if of_others else 0)
        height = TOP + sum(ABOVE + ROW * len(of_band) for _, of_band in bands) + below
        figure = Figure(figsize=(width, height))
        top = height - TOP
        for of_band, learners_of_band in bands:
            wide, high = COLUMN * len(of_band), ROW * len(learners_of_band)
            top -= ABOVE + high
            axes = figure.add_axes((LEFT / width, top / height, wide / width, high / height))
            names = [task if sizes[task] == 1 else f"{task} {size}" for task, size in of_band]
            _prepare(axes, names, [f"{learner} †" if learner in blind else learner for learner in learners_of_band])
            for row in shown[shown["column"].isin(of_band)].to_dict("records"):
                place = of_band.index(row["column"]), learners_of_band.index(str(row["learner"]))
                cell = str(row["task"]), int(str(row["size"])), str(row["learner"])
                _mark(axes, *place, row, palette, adopted, of_others.get(cell))
        keys = [
            Line2D([], [], linestyle="", marker="o", markersize=size * 0.6, color=INK, label=label,
                   markerfacecolor=INK if filled else "white")
            for label, size, filled in FORMS.values()
        ]  # fmt: skip
        corner = (0, (below - 0.33) / height)
        figure.legend(handles=keys, loc="lower left", ncols=3, frameon=False, fontsize=SMALLEST, bbox_to_anchor=corner)
        if of_others:
            corner = (0, (below - 0.72) / height)
            figure.legend(
                handles=found_keys(), loc="lower left", ncols=4, frameon=False, fontsize=SMALLEST, bbox_to_anchor=corner
            )
        figure.text(0.01, 0.04 / height, "\n".join(lines), fontsize=SMALLEST, va="bottom", ha="left")
        figure.text(0.01, 1 - 0.06 / height, TITLE, fontsize=9.5, fontweight="bold", va="top", ha="left")
    return Drawing([figure], [TITLE], "")


def _chosen(names: Sequence[str] | None, there: list[str], what: str) -> list[str]:
    for name in names or []:
        if name not in there:
            raise UserError(f"the tables have no {what} {name!r}{nearest(name, there)}")
    return list(names) if names else there


def _of(shown: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table that are of cells that are shown."""
    cells = {*zip(shown["task"], shown["size"], shown["learner"], strict=True)}
    there = [cell in cells for cell in zip(table["task"], table["size"], table["learner"], strict=True)]
    return table[pd.Series(there, index=table.index, dtype=bool)]


def _prepare(axes: Axes, names: list[str], learners: list[str]) -> None:
    """Names above and beside, and lines between learners."""
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylim(len(learners) - 0.5, -0.5)
    axes.set_yticks(range(len(learners)), learners)
    axes.set_xticks(range(len(names)), [textwrap.fill(name, 13) for name in names])
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    between = [place + 0.5 for place in range(len(learners) - 1)]
    axes.hlines(between, -0.5, len(names) - 0.5, color=FAINT, linewidth=0.5)


def _mark(
    axes: Axes, x: int, y: int, row: dict[object, object], palette: Palette, adopted: set[tuple[object, ...]],
    found: Rows | None,
) -> None:  # fmt: skip
    """One cell's mark, with the rule's name and its share of seeds, or why there is none (`several`: a tie).

    A disc is a given rule, a diamond one that was found in what learners do and adopted.

    Where most seeds follow a rule that has no code, which the verdict then says beyond that of the code lengths, it is
    that one: what is preferred among candidates that they do not follow would hide it.
    """
    by_code = row["by"] == "code" and row["code_level"] != NOT_MEASURED
    share = float(str(row["fpa_share"]))
    rule = str(row["rule"] or (row["code_lead"] if by_code else row["fpa_class"]) or row["fpa_class"])
    level = str(row["level"])
    if by_code and row["verdict"] != row["code_verdict"]:
        rule, level = str(row["fpa_class"]), OPEN
    of = f"\n{share:.0%}" if not math.isnan(share) and rule == row["fpa_class"] else ""
    if rule == OTHER and found and mark_found(axes, x, y, found):
        return
    if rule in NO_RULE or not rule:
        said = f"– {rule or 'several'}{of}"
        axes.text(x, y, said, fontsize=SMALLEST, linespacing=1.15, ha="center", va="center", color=INK)
        return
    _, size, filled = FORMS.get(level, FORMS[""])
    shade = palette.colour(rule)
    axes.plot(
        x - 0.36,
        y,
        marker="D" if (row["task"], rule) in adopted else "o",
        markersize=size * (0.72 if (row["task"], rule) in adopted else 1),
        color=shade,
        markerfacecolor=shade if filled else "white",
        markeredgewidth=1.5,
    )
    axes.text(
        x - 0.22,
        y,
        f"{fitted(rule, ROOM)}{of}",
        fontsize=SMALLEST,
        linespacing=1.15,
        ha="left",
        va="center",
        fontweight="bold" if filled else "normal",
    )
