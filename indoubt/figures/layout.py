"""How a task's cells become panels: `Grid` for a printed page, `Stack` for the report, which lets them flow."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from indoubt.measures.rows import either
from indoubt.schema import ORIGIN, PROTOCOL

#: Width in inches of a figure with so many panels side by side (a page), and of the narrowest one.
WIDTH, ABREAST, NARROWEST = 7.2, 4, 4.2
#: Width in inches of a panel of the report: what a phone shows at its own size.
PANEL_WIDTH = 3.0
#: Room in inches above a panel of the report (its title, its keys) and below it (its axis).
ABOVE, KEYS, BELOW = 0.26, 0.2, 0.44


class Grid:
    """A row of panels per learner and a column per size, with title, keys and small print; of one size, the learners
    side by side.

    Args:
        table: one row or more per (learner, size) that is shown.
        row_height: of a panel, in inches.
        keys: what lines and markers mean, if the panels do not say it.
    """

    def __init__(
        self, task: str, title: str, table: pd.DataFrame, row_height: float, keys: Sequence[Line2D] = ()
    ) -> None:
        self.table = table
        self.cells, sizes, learners = _cells(table)
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
        self.keys = keys

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
            cell = _of(self.table, learner, size)
            if cell.empty:
                axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", va="center", fontsize=7)
            yield axes, cell

    def finish(self, xlabel: str, notes: str) -> Figure:
        """The figure, its lowest panels labelled, with keys and small print."""
        for column in range(self.axes.shape[1]):
            lowest = [axes for axes in self.axes[:, column] if axes.get_visible()][-1]
            lowest.set_xlabel(xlabel or lowest.get_xlabel())
            lowest.tick_params(labelbottom=True)
        lines = textwrap.fill(notes, int(self.figure.get_figwidth() * 19))
        height = (lines.count("\n") + 1) * 0.125 + 0.06
        self.figure.set_figheight(self.figure.get_figheight() + height)
        low = height / self.figure.get_figheight()
        engine = self.figure.get_layout_engine()
        assert engine is not None
        engine.set(rect=(0, low, 1, 1 - low))  # type: ignore[call-arg]
        self.figure.text(0.01, 0.04 / self.figure.get_figheight(), lines, fontsize=6, va="bottom", ha="left")
        if self.keys:
            top = 1 - (0.04 + 0.15 * self.title_lines) / self.figure.get_figheight()
            self.figure.legend(
                handles=list(self.keys), loc="upper left", bbox_to_anchor=(0, top), ncols=len(self.keys),
                frameon=False, fontsize=7.5, borderaxespad=0.2,
            ).set_in_layout(False)  # fmt: skip
        return self.figure


class Stack:
    """Panels of one width below each other, each whole by itself: the report cuts them apart and lets them flow.

    Panel k is the group `panel-k` of the SVG and fills the k-th of the figure's equal strips. Title and small print are
    no part of the picture; the small print is the figure's label, which is saved as the SVG's description.
    """

    def __init__(
        self, task: str, title: str, table: pd.DataFrame, row_height: float, keys: Sequence[Line2D] = ()
    ) -> None:
        self.table = table
        self.cells, sizes, _ = _cells(table)
        self.cells = [cell for cell in self.cells if not _of(table, *cell).empty]
        self.names = [learner if len(sizes) == 1 else f"{learner}, size {size}" for learner, size in self.cells]
        self.above = ABOVE + (KEYS if keys else 0)
        self.strip = self.above + row_height + BELOW
        self.row_height = row_height
        self.figure = Figure(figsize=(PANEL_WIDTH, self.strip * len(self.cells)))
        self.axes = [self.figure.add_axes((0.2, 0.1, 0.7, 0.1), gid=f"panel-{k}") for k in range(len(self.cells))]
        self.keys = keys

    def panels(self) -> Iterator[tuple[Axes, pd.DataFrame]]:
        """Each panel with the rows of its learner and size."""
        for place, (name, cell, axes) in enumerate(zip(self.names, self.cells, self.axes, strict=True)):
            above_keys = 1 + (self.above - ABOVE) / self.row_height
            title = axes.set_title(name, fontsize=8, fontweight="bold", loc="left", y=above_keys)
            title.set_gid(f"title-{place}")
            yield axes, _of(self.table, *cell)

    def finish(self, xlabel: str, notes: str) -> Figure:
        """The figure, every panel labelled and with room for its longest label."""
        renderer = FigureCanvasAgg(self.figure).get_renderer()  # type: ignore[no-untyped-call]
        labels = [box for axes in self.axes if (box := axes.yaxis.get_tightbbox(renderer)) is not None]
        widest = max((box.width for box in labels), default=0) / self.figure.dpi
        left, height = (widest + 0.1) / PANEL_WIDTH, self.figure.get_figheight()
        for k, axes in enumerate(self.axes):
            top = height - k * self.strip - self.above
            bottom = (top - self.row_height) / height
            axes.set_position((left, bottom, 0.97 - left, self.row_height / height))
            axes.set_xlabel(xlabel or axes.get_xlabel())
            if self.keys:
                axes.legend(
                    handles=list(self.keys), loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=len(self.keys),
                    frameon=False, fontsize=7, borderaxespad=0, handlelength=1.4, columnspacing=1.0,
                )  # fmt: skip
        self.figure.set_label(notes)
        return self.figure


def small_print(table: pd.DataFrame, *notes: str, n: str = "n_seeds") -> str:
    """What is shown, of how many seeds, under which protocol and on which machine."""
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
    return " ".join(text)


def _cells(table: pd.DataFrame) -> tuple[list[tuple[str, int]], list[int], list[str]]:
    """All (learner, size), the sizes, the learners."""
    learners, sizes = sorted(set(table["learner"])), sorted(set(table["size"]))
    return [(learner, size) for learner in learners for size in sizes], sizes, learners


def _of(table: pd.DataFrame, learner: str, size: int) -> pd.DataFrame:
    return table[(table["learner"] == learner) & (table["size"] == size)]
