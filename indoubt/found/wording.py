"""What a cell's seeds do that follow no given rule: in a sentence, and in few characters for atlas and terminal."""

from __future__ import annotations

import math
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import pandas as pd

from indoubt.data.rules import FOUND
from indoubt.found.findings import ABOUT, FEWEST, GIVEN, KIND, MIXTURE, NONE, RULE, SPLIT, TOO_FEW
from indoubt.schema import CELL
from indoubt.schema.wording import percent, percent_span

Rows = Sequence[Mapping[str, Any]]
#: Rules that say the same of H named in a sentence at most.
MOST_EQUALS = 3


def by_cell(found: pd.DataFrame) -> Iterator[tuple[tuple[str, int, str], Rows]]:
    """The rows of each cell, parts in order."""
    for key, rows in found.sort_values([*CELL, "part"], kind="stable").groupby(CELL, sort=False):
        task, size, learner = cast(tuple[str, int, str], key)
        yield (task, int(size), learner), cast(Rows, rows.to_dict("records"))


def in_short(rows: Rows) -> str:
    """What a cell's seeds do, with its share: `ends vote (96 %)`; empty where nothing was searched."""
    row = rows[0]
    form = row["form"]
    if form == TOO_FEW or row["note"]:
        return ""
    said = {
        RULE: short_name(row),
        SPLIT: f"{len(rows)} kinds, {' + '.join(str(int(part['n_part'])) for part in rows)}",
        MIXTURE: f"one of {len(rows)}",
        GIVEN: f"mostly {row['given']}",
        ABOUT: f"about {short_name(row)}",
        KIND: row["short"],
    }.get(form)
    if said is None:
        return f"seeds agree on {percent(row['consensus'])}"
    return f"{said} ({percent(row['within_one'] if form == ABOUT else row['share'])})"


def short_name(row: Mapping[str, Any]) -> str:
    """A rule's name, where it has one, or its words in short."""
    return str(row["short"]) if row["kind"] in (FOUND, KIND) else str(row["kind"]).split(" of ")[0]


def sentence(rows: Rows) -> str:
    """What a cell's seeds do, with its share, its interval and the number of seeds."""
    row = rows[0]
    n, form = int(row["n_seeds"]), row["form"]
    seeds = f"{n} seed{'s' if n != 1 else ''} that follow{'s' if n == 1 else ''} no given rule"
    if form == TOO_FEW:
        return f"{seeds}: too few to look for what they do, it takes {FEWEST}."
    if row["note"]:
        return f"{seeds}: {row['note']}."
    share = percent(row["share"]) + percent_span(row["ci_low"], row["ci_high"])
    unseen = "of the answers of seeds it was not found on"
    through = "" if math.isnan(row["throughout"]) else f"; {round(row['throughout'] * n)} of {n} throughout"
    if form == RULE:
        return f"{seeds}: {_words(row)}. {share} {unseen}{through}.{_given(row)}{_equals(row)}"
    if form == SPLIT:
        kinds = "; ".join(f"{int(part['n_part'])}: {_words(part)}" for part in rows)
        return f"{seeds} are of {len(rows)} kinds. {kinds}. {share} {unseen}{through}.{_given(row)}"
    if form == MIXTURE:
        answers = "; ".join(f"({part['part']}) {_words(part)}" for part in rows)
        chance = f"{percent(row['chance'])} by chance"
        return f"{seeds} give, answer by answer, one of {len(rows)}: {answers}. {share} {unseen}, {chance}."
    if form == GIVEN:
        return f"{seeds} throughout mostly follow {row['given']}: {share} of their answers."
    if form == ABOUT:
        return (
            f"{seeds}: about {_words(row)}. {percent(row['within_one'])} {unseen} within one symbol, {share} exactly."
        )
    if form == KIND:
        return f"{seeds}: {share} of their outputs are {row['words']}."
    assert form == NONE, form
    best = f"the best of up to {int(row['limit_bits'])} bits gives {share} {unseen}"
    return f"{seeds}: no rule that holds; {best}, what most seeds of the other half answer {percent(row['consensus'])}."


def _words(row: Mapping[str, Any]) -> str:
    """A rule in words, with its name where it has one."""
    return str(row["words"]) + ("" if row["kind"] == FOUND else f" ({row['kind']})")


def _given(row: Mapping[str, Any]) -> str:
    """What the best given rule gives, and what both give where they differ."""
    if not row["given"]:
        return ""
    best = f" Best given rule: {row['given']}, {percent(row['given_share'])}"
    if math.isnan(row["share_deciding"]):
        return f"{best}."
    n = int(row["n_deciding"])
    span = percent_span(row["deciding_ci_low"], row["deciding_ci_high"])
    shares = f"{percent(row['share_deciding'])}{span} against {percent(row['given_deciding'])}"
    return f"{best}; on the {n} input{'s' if n != 1 else ''} where the best single rule differs from it, {shares}."


def _equals(row: Mapping[str, Any]) -> str:
    """Other rules that say the same of H."""
    others = [each for each in str(row["equals"]).split("; ") if each]
    return f" The same of H say: {'; '.join(others[:MOST_EQUALS])}." if others else ""


#: The longest that fits into a mark's line.
LONGEST = 16


def fitted(short: str, room: int = LONGEST) -> str:
    """A short name cut to what fits, with an ellipsis where something was cut."""
    return short if len(short) <= room else short[: room - 1].rstrip(" ,:+|-") + "…"


def distinct(names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """For each rule (what it is, its short name) a short name of its own, in the order of what they are."""
    taken: dict[str, str] = {}
    for rule, short in sorted(set(names)):
        if rule in taken:
            continue
        name = fitted(short)
        for letter in string.ascii_lowercase[1:]:
            if name not in taken.values():
                break
            name = f"{fitted(short, LONGEST - 2)} {letter}"
        taken[rule] = name
    return taken
