"""The figures of a results folder, of each task and of all, for print, screen and page: from its tables alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from indoubt.figures import ATLAS, FIGURES, STARTS, files
from indoubt.figures.atlas import atlas
from indoubt.figures.code_lengths import code_curves, code_lengths
from indoubt.figures.layout import Drawing, Grid, Layout, Panels
from indoubt.figures.rule_shares import rule_shares
from indoubt.figures.starts import starts_matrix
from indoubt.figures.style import Palette, save, save_panels
from indoubt.figures.sweeps import sweeps
from indoubt.figures.trajectories import code_trajectories, trajectories
from indoubt.tables.tables import read_found, read_table

#: What draws each figure: from a task's name, its rows of the tables, the colours of rules and a layout.
Draw = Callable[[str, Mapping[str, pd.DataFrame], Palette, type[Layout]], Drawing]
DRAWINGS: dict[str, Draw] = {
    "rule_shares": rule_shares,
    "code_lengths": code_lengths,
    "code_curves": code_curves,
    "trajectories": trajectories,
    "code_trajectories": code_trajectories,
    "sweeps": sweeps,
}
#: The tables that figures show.
TABLES = ("fpa", "code_length", "seed_code_lengths", "blocks", "trajectories", "code_trajectories", "sweeps")


def draw_figures(tables: Path, figures: Path, chosen: Sequence[tuple[str, str]] | None = None) -> list[Path]:
    """Draw figures into `figures/{task}`, each as the files that `indoubt.figures.files` names; returns their paths.

    A task that lacks a measure gets a figure that says so.

    Args:
        tables: folder of the tables.
        figures: folder of the figures.
        chosen: (task, figure) pairs; None: all that the tables speak of.

    Raises:
        UserError: a table is missing, or a figure cannot be written.
    """
    read = {name: read_table(tables, name) for name in TABLES}
    palette = Palette(read["fpa"], read["code_length"])
    written: list[Path] = []
    for task, name in _measured(read) if chosen is None else chosen:
        *printed, panels = (figures / task / file for file in files(name))
        of = {key: table[table["task"] == task] for key, table in read.items()}
        (figure,) = DRAWINGS[name](task, of, palette, Grid).figures
        save(figure, *printed)
        save_panels(DRAWINGS[name](task, of, palette, Panels), panels)
        written += [*printed, panels]
    return written


def draw_starts(tables: Path, figures: Path) -> list[Path]:
    """Draw the matrix of starts by tasks into `figures`, where some learner has a start; returns its paths.

    Raises:
        UserError: a table is missing, or a figure cannot be written.
    """
    starts, fpa, code = (read_table(tables, name) for name in ("starts", "fpa", "code_length"))
    if starts.empty:
        return []
    *printed, panels = (figures / name for name in STARTS)
    drawing = starts_matrix(starts, Palette(fpa, code))
    save(drawing.figures[0], *printed)
    save_panels(drawing, panels)
    return [*printed, panels]


def draw_atlas(
    tables: Path,
    figures: Path,
    columns: Sequence[str] | None = None,
    learners: Sequence[str] | None = None,
) -> list[Path]:
    """Draw the atlas into `figures`: of all tasks and learners, or of some, in their order; returns its paths.

    Raises:
        UserError: a table is missing, it lacks what is to be shown, or a figure cannot be written.
    """
    *printed, panels = (figures / name for name in ATLAS)
    verdicts, fpa, code = (read_table(tables, name) for name in ("verdicts", "fpa", "code_length"))
    drawing = atlas(verdicts, fpa, code, columns, learners, read_found(tables)["found_rules"])
    save(drawing.figures[0], *printed)
    save_panels(drawing, panels)
    return [*printed, panels]


def _measured(read: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, str]]:
    """The figures that there are: those of every task, and of the others those that have rows."""
    for task in sorted({*read["fpa"]["task"], *read["code_length"]["task"]}):
        for figure in FIGURES.values():
            if not figure.when or task in set(read[figure.table]["task"]):
                yield task, figure.name
