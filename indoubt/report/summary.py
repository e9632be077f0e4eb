"""The summary in the terminal: which rule each learner follows, FPA and code lengths."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from indoubt.data.codes import CodeKind
from indoubt.data.rules import ANSWER, FOUND, RANDOM, RULE
from indoubt.engines.registry import OF_PROMPTS
from indoubt.found.wording import by_cell, in_short
from indoubt.measures.classify import NO_RULE, OTHER
from indoubt.measures.rows import either
from indoubt.schema import KIND, ORIGIN, PROTOCOL
from indoubt.schema.wording import duration, number, short_share
from indoubt.tables.tables import read_found, read_table


def print_summary(tables: Path) -> None:
    """Print a summary; where the output is no terminal, its lines are not broken.

    Raises:
        UserError: a table is missing.
    """
    console = Console()
    console.print(summary(tables), highlight=False, soft_wrap=not console.is_terminal and console.width < 100)


def summary(tables: Path) -> RenderableType:
    """A table per task for the terminal, and where the results lie.

    Raises:
        UserError: a table is missing.
    """
    fpa, code, costs = (read_table(tables, name) for name in ("fpa", "code_length", "costs"))
    found = {cell: in_short(rows) for cell, rows in by_cell(read_found(tables)["found_rules"])}
    tasks = sorted({*fpa["task"], *code["task"]})
    if not tasks:
        return Text("Nothing was measured: the tables are empty.")
    parts = [_task(task, fpa[fpa["task"] == task], code[code["task"] == task], found) for task in tasks]
    return Group(*parts, _footer(tables, fpa, code, costs))


def _task(task: str, fpa: pd.DataFrame, code: pd.DataFrame, found: Mapping[tuple[str, int, str], str]) -> Table:
    """One task: a row per size and learner, the rule of most seeds, mean code lengths with the shortest in bold.

    Where most seeds follow no rule, `found` says what these do.
    """
    title = f"\n[bold]{task}[/bold] (code lengths in bits)"
    table = Table(
        title=title,
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
        padding=(0, 1),
        collapse_padding=True,  # so that three candidates fit into 80 columns
    )
    candidates = list(dict.fromkeys(code["candidate"]))
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("learner", no_wrap=True)
    table.add_column("most seeds")  # the one that gives way in a narrow terminal
    table.add_column("FPA (95 %)", no_wrap=True)
    for candidate in candidates:
        table.add_column(candidate, justify="right", no_wrap=True)
    if candidates:
        table.add_column("n", justify="right", no_wrap=True)
    previous = None
    for size, learner in sorted({*fpa[["size", "learner"]].itertuples(index=False, name=None),
                                 *code[["size", "learner"]].itertuples(index=False, name=None)}):  # fmt: skip
        if previous not in (None, size):
            table.add_section()
        shares, bits = (f[(f["size"] == size) & (f["learner"] == learner)] for f in (fpa, code))
        rule = most_seeds(shares, found.get((task, int(size), learner), ""))
        cells = [str(size) if size != previous else "", learner, *rule, *_codes(bits, candidates)]
        table.add_row(*cells)
        previous = size
    return table


def most_seeds(shares: pd.DataFrame, found: str = "") -> tuple[str, str]:
    """The class of most of a cell's seeds, of those that follow no rule with what they do; its share and interval.

    Args:
        shares: the cell's rows of the table `fpa`.
    """
    if shares.empty:
        return "–", "not measured"
    most = shares[shares["n"] == shares["n"].max()]
    row = most.iloc[0]
    marks = {RULE: "*", FOUND: "†", ANSWER: "*"}
    names = " = ".join(
        f"{name}: {found}"
        if name == OTHER and found
        else f"({name})"
        if name in NO_RULE
        else name + marks.get(kind, "")
        for name, kind in zip(most["class"], most["kind"], strict=True)
    )
    return names, f"{row['n']}/{row['n_seeds']} ({short_share(row['ci_low'])}–{short_share(row['ci_high'])})"


def _codes(bits: pd.DataFrame, candidates: list[str]) -> list[str]:
    """Each candidate's mean code length, the shortest in bold, and the number of seeds."""
    if bits.empty:
        return ["–"] * (len(candidates) + bool(candidates))
    of = {row["candidate"]: row for row in bits.to_dict("records")}
    means = {candidate: row["bits_mean"] for candidate, row in of.items()}
    shortest = min((m for c, m in means.items() if c != RANDOM and not math.isnan(m)), default=math.nan)
    bounds = {c: f"≥{number(row['bits_at_least'])}" for c, row in of.items() if row["n_at_least"]}
    numbers = [bounds.get(c, number(means.get(c, math.nan))) for c in candidates]
    numbers = [f"[bold]{n}[/bold]" if means.get(c) == shortest else n for c, n in zip(candidates, numbers, strict=True)]
    counts = sorted({int(n) for n in bits["n_seeds"] + bits["n_at_least"]})
    n = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]}–{counts[-1]}"
    losses = [f"{int(bits[f'n_{s}'].sum())} {s}" for s in ("diverged", "incomplete") if bits[f"n_{s}"].sum()]
    return [*numbers, ", ".join([n, *losses])]


def _footer(tables: Path, fpa: pd.DataFrame, code: pd.DataFrame, costs: pd.DataFrame) -> Text:
    """Protocol, machine, cost, and where everything lies."""
    protocol = ", ".join(f"{part} {either([*fpa[part], *code[part]])}" for part in PROTOCOL)
    origin = "engine {}, device {}, torch {}".format(*(either([*fpa[p], *code[p]]) for p in ORIGIN))
    spent = duration(float(costs["seconds"].sum()))
    trainings, diverged = int(costs["n_trainings"].sum()), int(costs["n_diverged"].sum())
    lines = [
        "",
        f"Protocol: {protocol}; {origin}.",
        f"{trainings:,} trainings ({diverged:,} diverged), {spent} of training, summed.",
        "FPA: seeds of the rule / all seeds, Wilson interval. Code lengths: means over n seeds, shortest bold;",
        f"their intervals: {tables / 'code_length.csv'}.",
    ]
    if code["n_at_least"].any():
        kinds = sorted({CodeKind(*kind).words for kind in code[KIND].itertuples(index=False, name=None)} - {""})
        lines.append(f"≥: known from below alone ({'; '.join(kinds)}).")
    if (fpa["kind"].isin([RULE, ANSWER]) & (fpa["n"] > 0)).any():
        lines.append("*: a rule that only classifies and has no code length.")
    if ((fpa["kind"] == FOUND) & (fpa["n"] > 0)).any():
        lines.append("†: a rule that was found in what learners do; see the note in fpa.csv.")
    in_context = {name for table in (fpa, code) for name in table.loc[table["engine"].isin(OF_PROMPTS), "learner"]}
    if in_context:
        lines.append(f"Read in context, seeds are prompts: {', '.join(sorted(in_context))}.")
    root = tables.parent
    places = {"tables": tables, "figures": root / "figures", "report": root / "report" / "index.html"}
    lines += [f"{name:8} {path}" for name, path in places.items() if path.exists()]
    return Text("\n".join(lines))
