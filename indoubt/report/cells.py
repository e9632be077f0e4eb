"""Tables as the page shows them: what each column says, how it sorts, its unit and uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from indoubt.tables.wording import number, p_text, share, span


@dataclass(frozen=True)
class Cell:
    """Text of a cell and what it sorts by (None: its text)."""

    text: str
    sort: float | str | None = None
    label: str = ""


@dataclass(frozen=True)
class Column:
    """A column: its head, how a row of the table becomes a cell, whether it holds numbers, and what it means."""

    head: str
    cell: Callable[[dict[str, Any]], Cell]
    numeric: bool = False
    title: str = ""


@dataclass(frozen=True)
class PageTable:
    """A table of the page."""

    name: str
    caption: str
    columns: list[Column]
    rows: list[list[Cell]]
    csv: str = field(repr=False, default="")


def page_table(name: str, caption: str, table: pd.DataFrame, columns: Iterable[Column]) -> PageTable:
    """A table of the page from rows of a table; `name` is that of the file in which its data can be saved."""
    columns = list(columns)
    records: list[dict[Any, Any]] = table.to_dict("records")
    rows = [[column.cell(row) for column in columns] for row in records]
    return PageTable(name, caption, columns, rows, table.to_csv(index=False, lineterminator="\n"))


def text(head: str, key: str, title: str = "") -> Column:
    """A column of words."""
    return Column(head, lambda row: Cell(str(row[key]), label=str(row[key])), title=title)


def count(head: str, key: str, title: str = "") -> Column:
    """A column of whole numbers."""
    return Column(head, lambda row: _number(row[key], lambda v: f"{int(v):,}"), True, title)


def bits(head: str, key: str, low: str = "", high: str = "", note: str = "", title: str = "") -> Column:
    """A column of code lengths with their interval, or a note where there is none."""

    def cell(row: dict[str, Any]) -> Cell:
        interval = span(row[low], row[high], number) if low else ""
        said = interval or (f"({row[note]})" if note and row[note] else "")
        return Cell(f"{number(row[key])} {said}".strip(), _sort(row[key]))

    return Column(head, cell, True, title)


def shares(head: str, key: str, low: str, high: str, title: str = "") -> Column:
    """A column of shares with their interval."""
    return Column(
        head,
        lambda row: Cell(f"{share(row[key])} {span(row[low], row[high], share)}".strip(), _sort(row[key])),
        True,
        title,
    )


def p(head: str, key: str, title: str = "") -> Column:
    """A column of p-values."""
    return Column(head, lambda row: _number(row[key], p_text), True, title)


def plain(head: str, key: str, title: str = "", digits: int = 2) -> Column:
    """A column of numbers with so many digits behind the point."""
    return Column(head, lambda row: _number(row[key], lambda v: f"{v:.{digits}f}"), True, title)


def _number(value: Any, form: Callable[[float], str]) -> Cell:
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return Cell("–" if missing else form(value), _sort(value))


def _sort(value: Any) -> float | str:
    return "" if value is None or (isinstance(value, float) and math.isnan(value)) else float(value)
