"""Which share of seeds follows which rule, per learner and size, with Wilson intervals."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from indoubt.data.rules import ANSWER, FOUND, RULE
from indoubt.figures.layout import Grid, Stack, small_print
from indoubt.figures.style import INK, colour, not_measured, our_settings

TITLE = "which rule do seeds follow?"


def rule_shares(task: str, fpa: pd.DataFrame, rules: list[str], layout: type[Grid | Stack] = Grid) -> Figure:
    """Bars: share of all seeds per class (0 to 1); whiskers: its Wilson interval; numbers: seeds of the class.

    Args:
        fpa: the task's rows of the table `fpa`.
        rules: the task's candidate rules, in order: each has its colour.
    """
    if fpa.empty:
        return not_measured(task, TITLE)
    labels = list(dict.fromkeys(fpa["class"]))
    absent = [c for c in ("unfit", "diverged") if fpa.loc[fpa["class"] == c, "n"].sum() == 0]
    shown = [c for c in labels if c not in absent]
    with our_settings():
        grid = layout(task, TITLE, fpa, row_height=0.35 + 0.19 * len(shown))
        for axes, cell in grid.panels():
            axes.set_xlim(0, 1.24)
            axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
            axes.set_ylim(len(shown) - 0.4, -0.6)
            axes.set_yticks(range(len(shown)), shown)
            axes.tick_params(axis="y", length=0)
            if cell.empty:
                continue
            axes.grid(axis="x")
            share = cell.set_index("class").loc[shown]
            colours = [colour(c, rules) for c in shown]
            bars = axes.barh(range(len(shown)), share["fpa"], height=0.72, color=colours)
            for bar, kind in zip(bars, share["kind"], strict=True):
                bar.set(hatch="////" if kind in (RULE, FOUND, ANSWER) else None, edgecolor="white", linewidth=0)
            whiskers = [share["fpa"] - share["ci_low"], share["ci_high"] - share["fpa"]]
            axes.errorbar(
                share["fpa"], range(len(shown)), xerr=[w.clip(lower=0) for w in whiskers],
                fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.6, capthick=0.8,
            )  # fmt: skip
            for place, (n, of) in enumerate(zip(share["n"], share["n_seeds"], strict=True)):
                axes.text(1.24, place, f"{n}/{of}", fontsize=6, ha="right", va="center")
        none = {"unfit": "is unfit", "diverged": "diverged"}
        note = f"No seed {' or '.join(none[c] for c in absent)}." if absent else ""
        hatched = "Hatched: rules that only classify." if fpa["kind"].isin([RULE, FOUND, ANSWER]).any() else ""
        notes = small_print(fpa, "Bars: share of all seeds; whiskers: Wilson 95 % interval.", hatched, note)
        return grid.finish("share of seeds", notes)
