"""The summary in the terminal: which rule each learner follows, FPA and code lengths."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from doubt.classify import NO_RULE
from doubt.measures.fpa import CELL
from doubt.paper_table import number, share, span
from doubt.random_candidate import RANDOM
from doubt.rows import ORIGIN, PROTOCOL, either
from doubt.tables import read_table


def summary(tables: Path) -> RenderableType:
    """A table for the terminal, a row per task, size and learner, and where the results lie.

    Raises:
        UserError: a table is missing.
    """
    fpa, code, costs = (read_table(tables, name) for name in ("fpa", "code_length", "costs"))
    cells = pd.concat([fpa[CELL], code[CELL]]).drop_duplicates().sort_values(CELL)
    if cells.empty:
        return Text("Nothing was measured: the tables are empty.")
    table = Table(title="Which rule do learners follow?", title_justify="left", pad_edge=False)
    for column in ("task", "size", "learner", "rule (most seeds)", "FPA [95 %]", "shortest code", "code lengths (bits, mean)"):
        table.add_column(column, justify="right" if column == "size" else "left", overflow="fold")
    previous: tuple[object, object] | None = None
    for task, size, learner in cells.itertuples(index=False):
        shares, bits = (f[(f[CELL] == [task, size, learner]).all(axis=1)] for f in (fpa, code))
        if previous is not None and previous != (task, size):
            table.add_section()
        first = previous != (task, size)
        previous = (task, size)
        lead = [str(task) if first else "", str(size) if first else "", str(learner)]
        table.add_row(*lead, *_rule(shares), *_codes(bits))
    return Group(table, _footer(tables, fpa, code, costs))


def _rule(shares: pd.DataFrame) -> tuple[str, str]:
    """The class of most seeds, and its share with n and interval."""
    if shares.empty:
        return "–", "not measured"
    most = shares[shares["n"] == shares["n"].max()]
    row = most.iloc[0]
    names = " = ".join(f"({c})" if c in NO_RULE else c for c in most["class"])
    return names, f"{share(row['fpa'])} {span(row['ci_low'], row['ci_high'], share)}, {row['n']} of {row['n_seeds']} seeds"


def _codes(bits: pd.DataFrame) -> tuple[str, str]:
    """The candidate of the shortest mean code, and all code lengths with the number of seeds."""
    if bits.empty:
        return "–", "not measured"
    said = " · ".join(f"{c} {number(m)}" for c, m in zip(bits["candidate"], bits["bits_mean"], strict=True))
    counts = sorted({int(n) for n in bits["n_seeds"]})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
    lost = [f"{int(bits[f'n_{s}'].sum())} {s}" for s in ("diverged", "incomplete") if bits[f"n_{s}"].sum()]
    rules = bits[(bits["candidate"] != RANDOM) & bits["bits_mean"].notna()]
    best = " = ".join(rules.loc[rules["bits_mean"] == rules["bits_mean"].min(), "candidate"]) if len(rules) else "–"
    return best, f"{said} (n = {n}{''.join(f', {l}' for l in lost)})"


def _footer(tables: Path, fpa: pd.DataFrame, code: pd.DataFrame, costs: pd.DataFrame) -> Text:
    """Protocol, machine, cost, and where everything lies."""
    protocol = ", ".join(f"{part} {either([*fpa[part], *code[part]])}" for part in PROTOCOL)
    origin = "engine {}, device {}, torch {}".format(*(either([*fpa[p], *code[p]]) for p in ORIGIN))
    trainings, diverged = int(costs["n_trainings"].sum()), int(costs["n_diverged"].sum())
    lines = [
        f"Protocol: {protocol}; {origin}.",
        f"{trainings:,} trainings ({diverged:,} diverged), {duration(float(costs['seconds'].sum()))} of training, summed.",
        f"Intervals of FPA: Wilson 95 %. More (intervals of code lengths, all seeds): {tables / 'code_length.csv'}",
    ]
    root = tables.parent
    places = {"tables": tables, "figures": root / "figures", "report": root / "report" / "index.html"}
    lines += [f"{name:8} {path}" for name, path in places.items() if path.exists()]
    return Text("\n".join(lines))


def duration(seconds: float) -> str:
    """A time for people: `42 s`, `12 min`, `3.4 h`, `12 days`."""
    if math.isnan(seconds) or seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"
