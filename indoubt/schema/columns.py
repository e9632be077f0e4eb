"""The kinds of columns, and those that many tables share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Kind(Enum):
    """What a column holds."""

    TEXT = "text"
    COUNT = "whole number"
    NUMBER = "number"
    SHARE = "share"
    P = "p-value"
    FLAG = "True or False"


@dataclass(frozen=True)
class Column:
    """A column: what it holds, what it means, and how the page shows it.

    Attributes:
        kind: what it holds; of text, nothing is an empty string and no missing number.
        meaning: what it is, for the docs and the page.
        unit: of a number; none for shares, counts and p-values.
        head: its head on the page; by default its name with blanks.
        ends: the columns that hold the ends of its interval.
        note: the column that says why there is no interval.
        absent: what is read where a table of an earlier version lacks the column; None: it must have it.
    """

    kind: Kind
    meaning: str
    unit: str = ""
    head: str = ""
    ends: tuple[str, str] | None = None
    note: str = ""
    absent: str | None = None


@dataclass(frozen=True)
class Table:
    """A table: what one row is, its columns in order, and its label if `snakemake --report` shows it."""

    row: str
    columns: dict[str, Column]
    label: str = ""


def text(meaning: str, head: str = "") -> Column:
    """A column of words; empty where there are none."""
    return Column(Kind.TEXT, meaning, head=head)


def flag(meaning: str) -> Column:
    """A column of yes and no."""
    return Column(Kind.FLAG, meaning)


def count(meaning: str, head: str = "") -> Column:
    """A column of whole numbers."""
    return Column(Kind.COUNT, meaning, head=head)


def number(meaning: str, unit: str = "", head: str = "", ends: tuple[str, str] | None = None, note: str = "") -> Column:
    """A column of numbers with a unit, if they have one."""
    return Column(Kind.NUMBER, meaning, unit, head, ends, note)


def share(meaning: str, head: str = "", ends: tuple[str, str] | None = None, note: str = "") -> Column:
    """A column of shares, from 0 to 1."""
    return Column(Kind.SHARE, meaning, head=head, ends=ends, note=note)


def p(meaning: str, head: str = "") -> Column:
    """A column of p-values."""
    return Column(Kind.P, meaning, head=head)


def later(column: Column, absent: str = "") -> Column:
    """A column that tables of earlier versions lack, and what is read there; empty: nothing, or no number."""
    return replace(column, absent=absent)


def ends(low: str, high: str, of: str, like: Column) -> dict[str, Column]:
    """The two columns of an interval, of the kind and unit of what it is the interval of.

    Args:
        of: what interval it is, as in `Wilson's score interval of fpa, 95 %`.
    """
    return {
        low: Column(like.kind, f"{of}: lower end", like.unit),
        high: Column(like.kind, f"{of}: upper end", like.unit),
    }


CELL_COLUMNS = {
    "task": text("the task"),
    "size": count("its size"),
    "learner": text("the learner"),
}
PROTOCOL_COLUMNS = {
    "adam_state": text("whether Adam's moments are `fresh` in each training or `carried` from block to block"),
    "rng_streams": text("whether random streams are `independent` or as `released`"),
    "min_len": count("the fewest symbols that are decoded"),
}
KIND_COLUMNS = {
    "codes": later(text("how much of the code was measured: `full`, by a `race`, or the `first` block"), "full"),
    "blocks": later(text("in which blocks it was sent: the `task`'s own, or `doubling` ones"), "task"),
}
ORIGIN_COLUMNS = {
    "engine": text("what trained it; `mixed: a, b` where rows differ"),
    "device": text("where; `mixed: a, b` where rows differ"),
    "torch": text("the version of torch; `mixed: a, b` where rows differ"),
}
UPDATES = count("updates per training")
CI_METHOD = text("how the interval was made")
CI_NOTE = text("why there is no interval (`one seed: no interval`, `all 4 seeds equal`), or that it is too narrow")
