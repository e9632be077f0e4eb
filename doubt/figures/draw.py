"""The figures of a results folder, per task, as SVG and PNG: drawn from its tables alone."""

from __future__ import annotations

from collections.abc import Callable
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
    fpa, code = read_table(tables, "fpa"), read_table(tables, "code_length")
    lengths, blocks = read_table(tables, "seed_code_lengths"), read_table(tables, "blocks")
    written: list[Path] = []
    for task in sorted({*fpa["task"], *code["task"]}) if tasks is None else tasks:
        shares, codes = _of(fpa, task), _of(code, task)
        rules = rules_of([*shares["class"], *codes["candidate"]])
        drawings: dict[str, Callable[[type[Grid | Stack]], Figure]] = {
            "rule_shares": partial(rule_shares, task, shares, rules),
            "code_lengths": partial(code_lengths, task, _of(lengths, task), codes, rules),
            "code_curves": partial(code_curves, task, _of(blocks, task), codes, rules),
        }
        for name, draw in drawings.items():
            *printed, panels = (figures / task / file for file in files(name))
            save(draw(Grid), *printed)
            save(draw(Stack), panels)
            written += [*printed, panels]
    return written


def _of(table: pd.DataFrame, task: str) -> pd.DataFrame:
    return table[table["task"] == task]
