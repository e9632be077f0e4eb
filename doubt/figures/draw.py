"""The figures of a results folder, per task, as SVG and PNG: drawn from its tables alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from doubt.figures import files
from doubt.figures.code_curves import code_curves
from doubt.figures.code_lengths import code_lengths
from doubt.figures.layout import Grid, Stack
from doubt.figures.rule_shares import rule_shares
from doubt.figures.style import rules_of, save
from doubt.tables.tables import read_table

#: The tables that figures are drawn from.
DRAWN = ("fpa", "code_length", "seed_code_lengths", "blocks")


def draw_figures(tables: Path, figures: Path, tasks: list[str] | None = None) -> list[Path]:
    """Draw all figures into `figures/{task}`, each as the files that `doubt.figures.files` names; returns their paths.

    A task that lacks a measure gets a figure that says so.

    Args:
        tables: folder of the tables.
        figures: folder of the figures.
        tasks: which tasks; None: those that the tables speak of.

    Raises:
        UserError: a table is missing, or a figure cannot be written.
    """
    found = {name: read_table(tables, name) for name in DRAWN}
    written: list[Path] = []
    for task in sorted({*found["fpa"]["task"], *found["code_length"]["task"]}) if tasks is None else tasks:
        for name, draw in drawings(task, found).items():
            *printed, panels = (figures / task / file for file in files(name))
            save(draw(Grid), *printed)
            save(draw(Stack), panels)
            written += [*printed, panels]
    return written


def drawings(task: str, tables: Mapping[str, pd.DataFrame]) -> dict[str, Callable[[type[Grid | Stack]], Figure]]:
    """How a task's figures are drawn, by name, once it is said for which layout.

    Args:
        tables: those of `DRAWN`, by name.
    """
    shares, codes = _of(tables["fpa"], task), _of(tables["code_length"], task)
    lengths, blocks = _of(tables["seed_code_lengths"], task), _of(tables["blocks"], task)
    rules = rules_of([*shares["class"], *codes["candidate"]])
    return {
        "rule_shares": partial(rule_shares, task, shares, rules),
        "code_lengths": partial(code_lengths, task, lengths, codes, rules),
        "code_curves": partial(code_curves, task, blocks, codes, rules),
    }


def _of(table: pd.DataFrame, task: str) -> pd.DataFrame:
    return table[table["task"] == task]
