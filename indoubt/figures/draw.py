"""The figures of a results folder, per task, as SVG and PNG: drawn from its tables alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from indoubt.figures import ATLAS, NAMES, OF_CODE_MILESTONES, OF_FPA_MILESTONES, OF_SWEEPS, files
from indoubt.figures.atlas import atlas
from indoubt.figures.code_curves import code_curves
from indoubt.figures.code_lengths import code_lengths
from indoubt.figures.layout import Grid, Stack
from indoubt.figures.rule_shares import rule_shares
from indoubt.figures.style import rules_of, save
from indoubt.figures.sweeps import sweeps
from indoubt.figures.trajectories import code_trajectories, trajectories
from indoubt.tables.tables import read_found, read_table

#: The tables that figures show.
TABLES = ("fpa", "code_length", "seed_code_lengths", "blocks", "trajectories", "code_trajectories", "sweeps")


def draw_figures(tables: Path, figures: Path, wanted: Sequence[tuple[str, str]] | None = None) -> list[Path]:
    """Draw figures into `figures/{task}`, each as the files that `indoubt.figures.files` names; returns their paths.

    A task that lacks a measure gets a figure that says so.

    Args:
        tables: folder of the tables.
        figures: folder of the figures.
        wanted: (task, figure) pairs; None: all that the tables speak of.

    Raises:
        UserError: a table is missing, or a figure cannot be written.
    """
    read = {name: read_table(tables, name) for name in TABLES}
    written: list[Path] = []
    for task, name in _spoken_of(read) if wanted is None else wanted:
        *printed, panels = (figures / task / file for file in files(name))
        draw = drawing(task, name, {key: table[table["task"] == task] for key, table in read.items()})
        save(draw(Grid), *printed)
        save(draw(Stack), panels)
        written += [*printed, panels]
    return written


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
    paths = [figures / name for name in ATLAS]
    verdicts, fpa, code = (read_table(tables, name) for name in ("verdicts", "fpa", "code_length"))
    save(atlas(verdicts, fpa, code, columns, learners, read_found(tables)["found_rules"]), *paths)
    return paths


def _spoken_of(read: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, str]]:
    for task in sorted({*read["fpa"]["task"], *read["code_length"]["task"]}):
        yield from ((task, name) for name in NAMES)
        others = (OF_FPA_MILESTONES, OF_CODE_MILESTONES, OF_SWEEPS)
        yield from ((task, name) for name in others if task in set(read[name]["task"]))


def drawing(task: str, name: str, of: Mapping[str, pd.DataFrame]) -> Callable[[type[Grid | Stack]], Figure]:
    """What draws a figure in a layout, from the tables that figures show, of one task."""
    rules = rules_of([*of["fpa"]["class"], *of["code_length"]["candidate"]])
    drawings: dict[str, Callable[[type[Grid | Stack]], Figure]] = {
        "rule_shares": partial(rule_shares, task, of["fpa"], rules),
        "code_lengths": partial(code_lengths, task, of["seed_code_lengths"], of["code_length"], rules),
        "code_curves": partial(code_curves, task, of["blocks"], of["code_length"], rules),
        OF_FPA_MILESTONES: partial(trajectories, task, of["trajectories"], rules),
        OF_SWEEPS: partial(sweeps, task, of["sweeps"]),
        OF_CODE_MILESTONES: partial(code_trajectories, task, of["code_trajectories"], rules),
    }
    return drawings[name]
