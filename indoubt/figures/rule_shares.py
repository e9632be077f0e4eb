"""Which share of seeds follows which rule, per learner and size, with Wilson intervals."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.patches import Patch

from indoubt.data.rules import ANSWER, CANDIDATE, FOUND, RULE
from indoubt.figures.layout import PANEL_WIDTH, SMALLEST, Drawing, Layout, Panels, ShownFigure, seeds_per_cell
from indoubt.figures.style import INK, Palette, not_measured, our_settings

TITLE = "which rule do seeds follow?"
#: Inches of a bar of the page's figure, of a row of its keys and of its axis; the least share whose seeds are said.
ROW, KEY, AXIS, NAMED = 0.21, 0.18, 0.42, 0.14


def rule_shares(task: str, of: Mapping[str, pd.DataFrame], palette: Palette, layout: type[Layout]) -> Drawing:
    """For print a bar for each class (share of all seeds, 0 to 1), with its Wilson interval and its seeds; for the page
    one stacked bar for each learner and size.
    """
    fpa = of["fpa"]
    if fpa.empty:
        return not_measured(task, TITLE)
    labels = list(dict.fromkeys(fpa["class"]))
    absent = [c for c in ("unfit", "diverged") if fpa.loc[fpa["class"] == c, "n"].sum() == 0]
    shown = [c for c in labels if c not in absent]
    none = {"unfit": "is unfit", "diverged": "diverged"}
    note = f"No seed {' or '.join(none[c] for c in absent)}." if absent else ""
    hatched = "Hatched: rules that only classify." if fpa["kind"].isin([RULE, FOUND, ANSWER]).any() else ""
    with our_settings():
        if layout is Panels:
            return _stacked(fpa, palette, note)
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
            colours = [palette.colour(c) for c in shown]
            bars = axes.barh(range(len(shown)), share["fpa"], height=0.72, color=colours)
            for bar, kind in zip(bars, share["kind"], strict=True):
                bar.set(hatch="////" if kind in (RULE, FOUND, ANSWER) else None, edgecolor="white", linewidth=0)
            whiskers = [share["fpa"] - share["ci_low"], share["ci_high"] - share["fpa"]]
            axes.errorbar(
                share["fpa"], range(len(shown)), xerr=[w.clip(lower=0) for w in whiskers],
                fmt="none", ecolor=INK, elinewidth=0.8, capsize=1.6, capthick=0.8,
            )  # fmt: skip
            for place, (n, n_seeds) in enumerate(zip(share["n"], share["n_seeds"], strict=True)):
                axes.text(1.24, place, f"{n}/{n_seeds}", fontsize=6, ha="right", va="center")
        explained = "Bars: share of all seeds; whiskers: Wilson 95 % interval."
        return grid.finish("share of seeds", "", explained, hatched, note, counts=fpa)


def _stacked(fpa: pd.DataFrame, palette: Palette, *notes: str) -> Drawing:
    """A bar for each learner and size: its seeds by class, the commonest first, with the interval of its share."""
    classes = [c for c in dict.fromkeys(fpa["class"]) if fpa.loc[fpa["class"] == c, "n"].sum()]
    kinds = dict(zip(fpa["class"], fpa["kind"], strict=True))
    hatches = {c: "////" if kinds[c] not in (CANDIDATE, "") else "" for c in classes}
    cells = [(str(key[0]), str(key[1]), of) for key, of in fpa.groupby(["learner", "size"], sort=True)]
    one_size = fpa["size"].nunique() == 1
    key_rows = -(-len(classes) // 3)
    height = KEY * key_rows + 0.1 + ROW * len(cells) + AXIS
    figure = ShownFigure(figsize=(PANEL_WIDTH, height))
    names = [learner if one_size else f"{learner}, {size}" for learner, size, _ in cells]
    longest = max(map(len, names))
    left = min(0.05 + 0.0245 * longest, 0.5)
    axes = figure.add_axes((left, AXIS / height, 0.97 - left, ROW * len(cells) / height))
    for place, (_, _, cell) in enumerate(cells):
        begun = 0.0
        for row in cell[cell["n"] > 0].sort_values("n", ascending=False, kind="stable").to_dict("records"):
            label = str(row["class"])
            axes.barh(
                place, row["fpa"], left=begun, height=0.74, color=palette.colour(label), hatch=hatches[label],
                edgecolor="white", linewidth=0.5,
            )  # fmt: skip
            if row["fpa"] >= NAMED:
                box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}
                axes.text(begun + 0.02, place, str(row["n"]), fontsize=SMALLEST, va="center", color=INK, bbox=box)
            if begun == 0:
                axes.plot(
                    [row["ci_low"], row["ci_high"]], [place + 0.3] * 2, color=INK, linewidth=1, solid_capstyle="butt"
                )
            begun += row["fpa"]
    axes.set_xlim(0, 1)
    axes.set_ylim(len(cells) - 0.5, -0.5)
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.set_yticks(range(len(cells)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("share of seeds")
    keys = [Patch(facecolor=palette.colour(c), hatch=hatches[c], edgecolor="white", label=c) for c in classes]
    figure.legend(
        handles=keys, loc="upper left", bbox_to_anchor=(0, 1), ncols=3, frameon=False, fontsize=SMALLEST,
        borderaxespad=0.1, handlelength=1.1, columnspacing=1.0, labelspacing=0.3,
    )  # fmt: skip
    explained = "Bars: seeds by class, the commonest first, with their number; line: Wilson 95 % interval of its share."
    notes = (*notes, "Hatched: rules that only classify." if any(hatches.values()) else "")
    return Drawing([figure], ["all learners"], " ".join([*filter(None, [explained, *notes]), seeds_per_cell(fpa)]))
