"""What the tables hold: of each its columns in order, each with its type, its unit and what it means.

To add a table: an entry in `measured`, `tested` or `found`, and what makes it in `indoubt/tables/tables.py`. To add a
column: a line there. The CSV's head and order, the types on reading, the checks, the lists in docs/measures.md and the
heads on the page come from it. Imports nothing but this package: the Snakefile reads it.
"""

from collections.abc import Iterator

from indoubt.schema.columns import CELL_COLUMNS, KIND_COLUMNS, ORIGIN_COLUMNS, PROTOCOL_COLUMNS, Column, Kind, Table
from indoubt.schema.found import FOUND
from indoubt.schema.measured import MEASURED
from indoubt.schema.tested import TESTED

__all__ = [
    "CELL",
    "FOUND",
    "KIND",
    "ORIGIN",
    "PROTOCOL",
    "RUN",
    "TABLES",
    "Column",
    "Kind",
    "Table",
    "columns_of",
    "files",
    "text_columns",
]

#: What names a cell.
CELL = list(CELL_COLUMNS)
#: How code lengths were measured; those of different kinds do not compare.
KIND = list(KIND_COLUMNS)
#: What a table must not mix, and what it may mix, if it says so.
PROTOCOL, ORIGIN = tuple(PROTOCOL_COLUMNS), tuple(ORIGIN_COLUMNS)
#: The tables that every run has, and all: those of found rules are made by a rule of their own, so that results of
#: earlier versions may lack them.
RUN: dict[str, Table] = {**MEASURED, **TESTED}
TABLES: dict[str, Table] = {**RUN, **FOUND}


def columns_of(table: str) -> list[str]:
    """The columns of a table, in order."""
    return list(TABLES[table].columns)


def text_columns(table: str) -> set[str]:
    """Those of words, where nothing is an empty string and not a missing number."""
    return {name for name, column in TABLES[table].columns.items() if column.kind is Kind.TEXT}


def files(tables: dict[str, Table]) -> Iterator[str]:
    """The files of some tables."""
    return (f"{name}.csv" for name in tables)
