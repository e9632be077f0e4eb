"""How a task's cells become panels: `Grid` for a printed page, `Panels` for the report, which lets them flow."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from indoubt.measures.rows import either
from indoubt.schema import ORIGIN, PROTOCOL
from indoubt.schema.wording import extent


class ShownFigure(Figure):
    """A figure that a notebook shows as SVG, whether or not it was told to show matplotlib's."""

    def _repr_svg_(self) -> str:
        image = io.StringIO()
        self.savefig(image, format="svg")
        return image.getvalue()


#: Width in inches of a figure with so many panels side by side (a page), and of the narrowest one.
WIDTH, ABREAST, NARROWEST = 7.2, 4, 4.2
#: Width in inches of a panel of the report: what a phone shows at its own size.
PANEL_WIDTH = 2.7
#: Points of the smallest text of a panel.
SMALLEST = 7.2
#: Room in inches above a panel of the report (its title, each row of its keys) and below it (its axis).
ABOVE, KEYS, BELOW = 0.26, 0.18, 0.44
#: Width in inches of a key's line and the room around it, and of a letter of its label.
KEY, LETTER = 0.34, 0.064


@dataclass(frozen=True)
class Drawing:
    """What a layout makes: a figure for print, or one for each panel; their titles; what is said below them."""

    figures: list[Figure]
    titles: list[str]
    notes: str


class Layout(Protocol):
    """What the figures ask of a layout: panels to draw on, then labels and notes."""

    def __init__(
        self, task: str, title: str, table: pd.DataFrame, row_height: float, keys: Sequence[Line2D] = ()
    ) -> None: ...

    def panels(self) -> Iterator[tuple[Axes, pd.DataFrame]]:
        """Each panel with the rows of its learner and size."""

    def finish(self, xlabel: str, ylabel: str, *notes: str, counts: pd.DataFrame) -> Drawing:
        """The drawing, with what its axes are of and their units, and notes below it.

        Args:
            xlabel: of the axis along; empty where panels have their own.
            ylabel: of the axis up; empty where panels name what stands there.
            counts: rows with `n_seeds`, and the protocol if they have it.
        """


class Grid(Layout):
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
        self.figure = ShownFigure(figsize=(width, height), layout="constrained")
        self.axes = self.figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
        self.title = f"{task} {sizes[0]}: {title}" if self.one_size else f"{task}: {title}"
        text = textwrap.fill(self.title, int(width / 0.085))
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
                axes.text(0.5, 0.5, "not run", transform=axes.transAxes, ha="center", va="center", fontsize=SMALLEST)
            yield axes, cell

    def finish(self, xlabel: str, ylabel: str, *notes: str, counts: pd.DataFrame) -> Drawing:
        """The figure, its lowest panels labelled, with keys and small print."""
        for column in range(self.axes.shape[1]):
            lowest = [axes for axes in self.axes[:, column] if axes.get_visible()][-1]
            lowest.set_xlabel(xlabel or lowest.get_xlabel())
            lowest.tick_params(labelbottom=True)
        if ylabel:
            self.figure.supylabel(ylabel, fontsize=8)
        print_below = small_print(counts, *notes)
        lines = textwrap.fill(print_below, int(self.figure.get_figwidth() * 19))
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
        return Drawing([self.figure], [self.title], print_below)


class Panels(Layout):
    """A figure of one width for each learner and size, whole by itself: the report lets them flow."""

    def __init__(
        self, task: str, title: str, table: pd.DataFrame, row_height: float, keys: Sequence[Line2D] = ()
    ) -> None:
        self.table = table
        cells, sizes, _ = _cells(table)
        self.cells = [cell for cell in cells if not _of(table, *cell).empty]
        self.names = [learner if len(sizes) == 1 else f"{learner}, size {size}" for learner, size in self.cells]
        longest = max((len(str(key.get_label())) for key in keys), default=0)
        self.keys_abreast = min(max(int(PANEL_WIDTH / (KEY + LETTER * longest)), 1), max(len(keys), 1))
        self.above = ABOVE + KEYS * -(-len(keys) // self.keys_abreast)
        self.row_height = row_height
        height = self.above + row_height + BELOW
        self.figures: list[Figure] = [ShownFigure(figsize=(PANEL_WIDTH, height)) for _ in self.cells]
        self.keys = keys

    def panels(self) -> Iterator[tuple[Axes, pd.DataFrame]]:
        """Each panel with the rows of its learner and size."""
        for name, cell, figure in zip(self.names, self.cells, self.figures, strict=True):
            axes = figure.add_axes((0.2, 0.1, 0.7, 0.1))
            above_keys = 1 + (self.above - ABOVE) / self.row_height
            axes.set_title(name, fontsize=8, fontweight="bold", loc="left", y=above_keys)
            yield axes, _of(self.table, *cell)

    def finish(self, xlabel: str, ylabel: str, *notes: str, counts: pd.DataFrame) -> Drawing:
        """The figures, each labelled and with room for the longest label of all."""
        axes_of = [figure.axes[0] for figure in self.figures]
        widest = 0.0
        for axes in axes_of:
            axes.set_xlabel(xlabel or axes.get_xlabel())
            axes.set_ylabel(ylabel)
            figure = axes.get_figure(root=True)
            renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
            box = axes.yaxis.get_tightbbox(renderer)
            widest = max(widest, box.width / renderer.dpi if box is not None else 0.0)
        for axes, figure in zip(axes_of, self.figures, strict=True):
            left, height = (widest + 0.1) / PANEL_WIDTH, figure.get_figheight()
            axes.set_position((left, BELOW / height, 0.97 - left, self.row_height / height))
            if self.keys:
                axes.legend(
                    handles=list(self.keys), loc="lower left", bbox_to_anchor=(-left / (0.97 - left), 1.0),
                    ncols=self.keys_abreast, frameon=False, fontsize=SMALLEST, borderaxespad=0, handlelength=1.4,
                    columnspacing=1.0, labelspacing=0.3,
                )  # fmt: skip
        return Drawing(self.figures, self.names, " ".join([*filter(None, notes), seeds_per_cell(counts)]))


def seeds_per_cell(table: pd.DataFrame) -> str:
    """Of how many seeds a figure is."""
    seeds = sorted({int(count) for count in table["n_seeds"]}) or [0]
    return f"{extent(seeds)} seed{'s' if seeds[-1] != 1 else ''} per cell."


def small_print(table: pd.DataFrame, *notes: str) -> str:
    """What is shown, of how many seeds, under which protocol and on which machine, if the table says so."""
    text = [*filter(None, notes), seeds_per_cell(table)]
    if set(PROTOCOL) <= set(table.columns):
        protocol = ", ".join(f"{part} {either(table[part])}" for part in PROTOCOL)
        engine, device, torch = (either(table[part]).removeprefix("mixed: ") for part in ORIGIN)
        text += [f"Protocol: {protocol}.", f"Trained by {engine} on {device}, torch {torch}."]
    return " ".join(text)


def _cells(table: pd.DataFrame) -> tuple[list[tuple[str, int]], list[int], list[str]]:
    """All (learner, size), the sizes, the learners."""
    learners, sizes = sorted(set(table["learner"])), sorted(set(table["size"]))
    return [(learner, size) for learner in learners for size in sizes], sizes, learners


def _of(table: pd.DataFrame, learner: str, size: int) -> pd.DataFrame:
    return table[(table["learner"] == learner) & (table["size"] == size)]
