"""Figures and page of a results folder from its tables, in one process and without Snakemake."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from indoubt.data.task import Task
from indoubt.figures.draw import draw_atlas, draw_figures, draw_starts
from indoubt.files import read_text, write_atomically
from indoubt.report.page import build_page
from indoubt.report.provenance import read_provenance

#: What a run writes beside its tables.
MADE, CONFIG, EXPECTED = "provenance.json", "config.yaml", "expected.json"
REMEDY = "`indoubt run` makes it"


def page_from_tables(results: Path, tasks: Mapping[str, Task], output: Path) -> None:
    """Draw the figures of a results folder, and write its page; with what made the results, if that lies there.

    Raises:
        UserError: a table is missing, or something cannot be written.
    """
    tables, expected = results / "tables", None
    if (tables / EXPECTED).exists():
        expected = json.loads(read_text(tables / EXPECTED, REMEDY))
    made = read_provenance(tables / MADE) if (tables / MADE).exists() else None
    shown = read_text(tables / CONFIG, REMEDY) if (tables / CONFIG).exists() else ""
    draw_page(results, tasks, output, made, shown, expected)


def draw_page(
    results: Path,
    tasks: Mapping[str, Task],
    output: Path,
    made: Mapping[str, str] | None,
    shown: str,
    expected: list[dict[str, Any]] | None,
) -> None:
    """Draw the figures of a results folder, and write its page.

    Args:
        made: what made the results, in lines; None: what makes the page.
        shown: the configuration, as text.
        expected: what was to be run.

    Raises:
        UserError: a table is missing, or something cannot be written.
    """
    draw_figures(results / "tables", results / "figures")
    draw_atlas(results / "tables", results / "figures")
    draw_starts(results / "tables", results / "figures")
    page = build_page(results / "tables", results / "figures", tasks, made, shown, expected)
    write_atomically(output, page)
