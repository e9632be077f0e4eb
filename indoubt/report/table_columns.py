"""The page's tables: which columns each has; heads, units and meanings are those of `indoubt.schema`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from indoubt.data.codes import CodeKind
from indoubt.measures.classify import NO_RULE
from indoubt.schema import TABLES, Kind
from indoubt.schema.wording import duration, number, p_text, share, shortened, span


@dataclass(frozen=True)
class Cell:
    """Text of a cell and what it sorts by (None: its text)."""

    text: str
    sort: float | str | None = None


@dataclass(frozen=True)
class PageColumn:
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
    columns: list[PageColumn]
    rows: list[list[Cell]]
    csv: str = field(repr=False, default="")


def page_table(name: str, caption: str, table: pd.DataFrame, columns: Iterable[PageColumn]) -> PageTable:
    """A table of the page from rows of a table; `name` is that of the file in which its data can be saved."""
    columns = list(columns)
    records: list[dict[Any, Any]] = table.to_dict("records")
    rows = [[column.cell(row) for column in columns] for row in records]
    return PageTable(name, caption, columns, rows, table.to_csv(index=False, lineterminator="\n"))


def of(table: str, *columns: str | PageColumn) -> list[PageColumn]:
    """Columns of a table as the page shows them: by name as the schema has them, or made for the page."""
    return [_from_schema(table, column) if isinstance(column, str) else column for column in columns]


def _from_schema(table: str, name: str) -> PageColumn:
    column = TABLES[table].columns[name]
    head = (column.head or name.replace("_", " ")) + (f", {column.unit}" if column.unit else "")
    title = column.meaning.replace("`", "")
    if column.ends:
        title += f"; with {TABLES[table].columns[column.ends[0]].meaning.removesuffix(': lower end').replace('`', '')}"
    if column.kind in (Kind.TEXT, Kind.FLAG):
        return PageColumn(head, lambda row: Cell(str(row[name])), title=title)

    def cell(row: dict[str, Any]) -> Cell:
        value = row[name]
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return Cell("–", "")
        form = _FORMS[column.kind, column.unit]
        interval = span(float(row[column.ends[0]]), float(row[column.ends[1]]), form) if column.ends else ""
        note = f"({row[column.note]})" if column.note and not interval and row[column.note] else ""
        return Cell(f"{form(value)} {interval or note}".strip(), float(value))

    return PageColumn(head, cell, True, title)


#: How numbers are written, by kind and unit.
_FORMS: dict[tuple[Kind, str], Callable[[float], str]] = {
    (Kind.COUNT, ""): lambda value: f"{int(value):,}",
    (Kind.SHARE, ""): share,
    (Kind.P, ""): p_text,
    (Kind.NUMBER, ""): lambda value: f"{value:.2f}",
    (Kind.NUMBER, "s"): duration,
    **{(Kind.NUMBER, unit): number for unit in ("bits", "nats", "bits per example")},
}


def _symbols(name: str) -> PageColumn:
    """Inputs and outputs: long runs of a symbol in short, `b × 46`."""
    schema = TABLES["outputs"].columns[name]

    def cell(row: dict[str, Any]) -> Cell:
        symbols = str(row[name]).split()
        return Cell(shortened(symbols), float(len(symbols)))

    return PageColumn(schema.head, cell, title=schema.meaning)


def _remarks(row: dict[str, Any]) -> Cell:
    """Lost seeds, two groups."""
    words = [f"{int(row[f'n_{state}'])} {state}" for state in ("diverged", "incomplete") if row[f"n_{state}"]]
    if row["n_at_least"]:
        words.append(f"{int(row['n_at_least'])} known from below")
    kind = CodeKind(row["codes"], row["blocks"]).words
    return Cell(", ".join([kind] * bool(kind) + words + ["two groups of seeds"] * (row["bimodal"] == "True")))


def _at_least(row: dict[str, Any]) -> Cell:
    """What a rule's code takes at least in the mean, where that is all that is known."""
    if not row["n_at_least"] or math.isnan(row["bits_at_least"]):
        return Cell("–", "")
    interval = span(row["at_least_ci_low"], row["at_least_ci_high"], number)
    return Cell(f"≥ {number(row['bits_at_least'])} {interval}".strip(), float(row["bits_at_least"]))


_PAIR = PageColumn("rules a – b", lambda row: Cell(f"{row['a']} – {row['b']}"))
FPA = of("fpa", "size", "learner", "class", "kind", "n", "n_seeds", "fpa", "n_fit", "fpa_given_fit")
RESPONSES = of(
    "responses", "size", "learner", "rule", "kind", "share", "n_seeds", "n_holdout", "share_given_fit", "n_fit"
)
CODE_LENGTH = of(
    *("code_length", "size", "learner", "candidate", "n_seeds", "bits_mean"),
    PageColumn(
        "at least, bits",
        _at_least,
        True,
        "where not all seeds' codes are complete (by the first block, or raced): the mean of what they take at least, "
        "with its bootstrap interval",
    ),
    *("bits_median", "nats_mean", "bits_per_example", "surplus_bits", "uniform_bits", PageColumn("remarks", _remarks)),
)
PREFERENCES = of(
    *("preferences", "size", "learner"),
    _PAIR,
    *("verdict", "n_seeds"),
    PageColumn(
        "a : b shorter",
        lambda row: Cell(f"{row['n_a_shorter']} : {row['n_b_shorter']}", float(row["n_a_shorter"])),
        numeric=True,
        title="in how many seeds the code of a (of b) is the shorter one",
    ),
    *("diff_mean", "diff_median", "p_signflip_holm", "p_signflip_bh", "p_signflip", "rank_biserial"),
)
FPA_PREFERENCES = of(
    *("preferences", "size", "learner", _PAIR),
    PageColumn(
        "a : b",
        lambda row: Cell(f"{row['fpa_n_a']} : {row['fpa_n_b']} of {row['fpa_n_seeds']}", float(row["fpa_n_a"])),
        numeric=True,
        title="seeds that follow a and b, of all",
    ),
    *("fpa_diff", "p_mcnemar", "p_mcnemar_holm", "fpa_preferred", "fpa_level"),
)


def _of_class(row: dict[str, Any]) -> Cell:
    """How many seeds of a class give an output; of those that follow a rule all do, by definition."""
    interval = span(row["ci_low"], row["ci_high"], share) if row["class"] in NO_RULE else ""
    return Cell(f"{row['n_seeds']} of {row['n_class']} {interval}".strip(), float(row["share"]))


#: Of rows `with_shares`.
OUTPUTS = of(
    *("outputs", "size", "learner", "class", _symbols("src"), _symbols("pred"), "agrees"),
    PageColumn(
        "seeds of the class",
        _of_class,
        numeric=True,
        title="that give this output; with Wilson's score interval, 95 %, where the class does not say which",
    ),
)
PATHS = of("seed_paths", "size", "learner", "seed", "first_fit", "n_switches", "path")
PROFILE = of("verdicts", "task", "size", "code_verdict", "fpa_verdict", "fpa_share", "agree")
CLAIMS = of(
    *("claims", "state", "statement", "source", "why"),
    PageColumn("cells run", lambda row: Cell(f"{row['n_run']} of {row['n_cells']}", float(row["n_run"])), numeric=True),
    "seeds",
)
AGREEMENT = of(
    *("agreement", "task", "n_both", "n_agree_responses", "n_compared", "n_agree", "share", "n_pairs"),
    *("n_fpa_differs", "n_same_sign", "rho", "n_tested_code_only", "n_tested_fpa_only", "n_tested_both"),
    "p_sensitivity",
)
COSTS = of(
    "costs", "task", "size", "learner", "n_trainings", "n_diverged", "seconds", "engine", "device", "torch", "host"
)
MISSING = [
    *of("verdicts", "task", "size", "learner"),
    *(PageColumn(head, lambda row, name=name: Cell(str(row[name])), numeric=name != "dataset")  # type: ignore[misc]
      for head, name in (("dataset", "dataset"), ("seeds configured", "n_seeds"), ("seeds missing", "n_missing"))),
]  # fmt: skip
#: The columns that need a word, by the table of the page.
GLOSSARY: dict[str, dict[str, str]] = {
    name: {column.head: column.title for column in columns if column.title}
    for name, columns in {
        "FPA": FPA,
        "Responses": RESPONSES,
        "Code lengths": CODE_LENGTH,
        "Preferences by code length": PREFERENCES,
        "Preferences by FPA": FPA_PREFERENCES,
        "Paths": PATHS,
        "Outputs": OUTPUTS,
        "Verdicts": PROFILE,
        "Agreement": AGREEMENT,
    }.items()
}
