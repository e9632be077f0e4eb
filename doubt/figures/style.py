"""What all figures have in common: colours, grid of panels, small print, saving."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from doubt.data.random_candidate import RANDOM
from doubt.errors import UserError
from doubt.measures.classify import NO_RULE
from doubt.measures.rows import ORIGIN, PROTOCOL, either

#: Colours of candidate rules, told apart by the colour-blind (M. Okabe and K. Ito, 2008), with their markers.
RULE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
RULE_MARKERS = ("o", "s", "^", "D", "v", "P")
#: Greys of what is no rule.
NO_RULE_COLOURS = {"other": "#7a7a7a", "unfit": "#a6a6a6", "diverged": "#c8c8c8", RANDOM: "#7a7a7a"}
INK, FAINT = "#1a1a1a", "#d9d9d9"
#: Width in inches of a figure with so many panels side by side (a page), and of the narrowest one.
WIDTH, ABREAST, NARROWEST = 7.2, 4, 4.2

RC: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.hashsalt": "doubt",
    "svg.fonttype": "path",
}


def colour(label: str, rules: Sequence[str]) -> str:
    """The colour of a class or candidate; `rules` are the task's, in order."""
    return NO_RULE_COLOURS.get(label) or RULE_COLOURS[list(rules).index(label) % len(RULE_COLOURS)]


def marker(label: str, rules: Sequence[str]) -> str:
    """The marker of a candidate, so that colour is not alone in telling it."""
    return "X" if label not in rules else RULE_MARKERS[list(rules).index(label) % len(RULE_MARKERS)]


def rules_of(labels: Iterable[str]) -> list[str]:
    """Those of some classes or candidates that are rules, in the order in which they come."""
    return [label for label in dict.fromkeys(labels) if label not in (*NO_RULE, RANDOM)]


class Grid:
    """A figure with a row of panels per learner and a column per size; of one size, the learners side by side."""

    def __init__(self, task: str, title: str, table: pd.DataFrame, row_height: float, keys: bool = False) -> None:
        self.table = table
        learners, sizes = sorted(set(table["learner"])), sorted(set(table["size"]))
        self.cells = [(learner, size) for learner in learners for size in sizes]
        self.one_size = len(sizes) == 1
        n_columns = min(len(learners), ABREAST) if self.one_size else len(sizes)
        n_rows = -(-len(self.cells) // n_columns)
        width = max(NARROWEST, WIDTH * n_columns / ABREAST)
        height = (1.0 if keys else 0.8) + row_height * n_rows
        self.figure = Figure(figsize=(width, height), layout="constrained")
        self.axes = self.figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
        what = f"{task} {sizes[0]}" if self.one_size else task
        text = textwrap.fill(f"{what}: {title}", int(width / 0.085))
        self.title_lines = text.count("\n") + 1
        self.figure.suptitle(text + ("\n " if keys else ""), x=0.01, ha="left", fontsize=9.5, fontweight="bold")

    def panels(self) -> Iterator[tuple[Axes, pd.DataFrame]]:
        """Each panel with the rows of its learner and size; a cell that was not run says so."""
        n_columns = self.axes.shape[1]
        for axes in self.axes.flat[len(self.cells) :]:
            axes.set_visible(False)
        for place, ((learner, size), axes) in enumerate(zip(self.cells, self.axes.flat, strict=False)):
            if self.one_size:
                axes.set_title(learner, fontsize=8, fontweight="bold")
            else:
                if place < n_columns:
                    axes.set_title(f"size {size}", fontsize=8)
                if place % n_columns == 0:
                    axes.set_ylabel(learner, fontsize=8, fontweight="bold")
            cell = self.table[(self.table["learner"] == learner) & (self.table["size"] == size)]
            if cell.empty:
                axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", va="center", fontsize=7)
            yield axes, cell

    def label(self, xlabel: str) -> Figure:
        """The figure, the lowest panel of each column labelled."""
        n_columns = self.axes.shape[1]
        for column in range(n_columns):
            lowest = [axes for axes in self.axes[:, column] if axes.get_visible()][-1]
            lowest.set_xlabel(xlabel)
            lowest.tick_params(labelbottom=True)
        return self.figure

    def keys(self, handles: list[Line2D]) -> None:
        """A legend below the title."""
        top = 1 - (0.04 + 0.15 * self.title_lines) / self.figure.get_figheight()
        self.figure.legend(
            handles=handles, loc="upper left", bbox_to_anchor=(0, top), ncols=len(handles), frameon=False, fontsize=7.5,
            borderaxespad=0.2,
        ).set_in_layout(False)  # fmt: skip


def small_print(figure: Figure, table: pd.DataFrame, *notes: str, n: str = "n_seeds") -> None:
    """Below the figure: what is shown, how many seeds, protocol and machine."""
    seeds = sorted({int(count) for count in table[n]}) or [0]
    counts = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    protocol = ", ".join(f"{part} {either(table[part])}" for part in PROTOCOL)
    origin = "engine {}, device {}, torch {}".format(*(either(table[part]) for part in ORIGIN))
    text = [
        *filter(None, notes),
        f"{counts} seed{'s' if seeds[-1] != 1 else ''} per cell.",
        f"Protocol: {protocol}.",
        f"Made on {origin}.",
    ]
    width = int(figure.get_figwidth() * 19)
    lines = textwrap.fill(" ".join(text), width)
    height = (lines.count("\n") + 1) * 0.125 + 0.06
    figure.set_figheight(figure.get_figheight() + height)
    low = height / figure.get_figheight()
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(rect=(0, low, 1, 1 - low))  # type: ignore[call-arg]
    figure.text(0.01, 0.04 / figure.get_figheight(), lines, fontsize=6, va="bottom", ha="left", color=INK)


def not_measured(task: str, title: str) -> Figure:
    """A figure that says that there is nothing to show."""
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(4.2, 1.2))
        figure.text(0.5, 0.62, f"{task}: {title}", ha="center", fontsize=9.5, fontweight="bold")
        figure.text(0.5, 0.3, "not measured", ha="center", fontsize=9)
    return figure


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write `{stem}.svg` and `{stem}.png`, the same bytes for the same figure.

    Raises:
        UserError: they cannot be written.
    """
    paths = [stem.with_suffix(".svg"), stem.with_suffix(".png")]
    try:
        stem.parent.mkdir(parents=True, exist_ok=True)
        with matplotlib.rc_context(RC):
            figure.savefig(paths[0], metadata={"Date": None, "Creator": None})
            figure.savefig(paths[1], dpi=200, metadata={"Software": None})
    except OSError as error:
        raise UserError(f"cannot write {stem}.svg and .png: {error.strerror}; check rights and space") from error
    return paths
