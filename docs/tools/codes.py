"""The comparison of kinds of code lengths in docs/measures.md, from archives of trainings that all come out of.

    .venv/bin/python docs/tools/codes.py RESULTS...

writes it anew, between `<!-- comparison -->` and `<!-- end of comparison -->`. RESULTS are folders with a ledger and
`archived/config.yaml`, as `scripts/archive.py rebuild ARCHIVE --tables --results RESULTS` leaves them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import pandas as pd
import yaml

from indoubt.data.codes import CodeKind
from indoubt.measures.code_length import KNOWN
from indoubt.report.rebuild import rows_of
from indoubt.schema import CELL
from indoubt.schema.wording import number
from indoubt.tables.tables import Tables, build_tables
from indoubt.workflow.plan import Plan

PAGE = Path(__file__).resolve().parents[1] / "measures.md"
KINDS = {
    "full": CodeKind("full", "task"),
    "race": CodeKind("race", "task"),
    "doubling": CodeKind("full", "doubling"),
    "doubling, race": CodeKind("race", "doubling"),
    "first": CodeKind("first", "task"),
}
HEAD = [
    *("cell", "seeds", "blocks", "`full`, bits", "`doubling`, bits", "ρ"),
    "shortest rule per seed as by `full`: `race`, `doubling`, both, `first`",
    "preferred (corrected test)",
    "cost of late trainings: `race`, `doubling`, both",
]


def main() -> None:
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    for folder in map(Path, sys.argv[1:]):
        lines += of_folder(folder)
    text = PAGE.read_text(encoding="utf-8")
    found = re.sub(
        r"(<!-- comparison -->\n).*?(<!-- end of comparison -->)",
        lambda match: match[1] + "\n".join(lines) + "\n" + match[2],
        text,
        flags=re.DOTALL,
    )
    PAGE.write_text(found, encoding="utf-8")


def of_folder(folder: Path) -> list[str]:
    """A line of the comparison for each cell of a results folder whose seeds are all there."""
    content = yaml.safe_load((folder / "archived/config.yaml").read_text(encoding="utf-8"))
    plans = {name: Plan(content | vars(kind), folder / ".cache") for name, kind in KINDS.items()}
    made = {name: tables_of(plan, folder / "ledger") for name, plan in plans.items()}
    return [line(plans["full"], cell, made) for cell in plans["full"].cells]


def tables_of(plan: Plan, ledger: Path) -> Tables:
    """The tables of a plan, all of whose trainings a ledger has."""
    rows = [row for cell in plan.cells.values() for row in rows_of(plan, cell, ledger)]
    return build_tables([row for row in rows if row["kind"] == "score"], [], [], plan.tasks)


def line(plan: Plan, place: tuple[str, int, str], made: dict[str, Tables]) -> str:
    """A cell's line."""
    of = {name: {key: here(table, place) for key, table in tables.items()} for name, tables in made.items()}
    full, doubled = (of[name]["code_length"].set_index("candidate") for name in ("full", "doubling"))
    winners = {name: shortest(tables["seed_code_lengths"]) for name, tables in of.items()}
    seeds = sorted(winners["full"])
    same = [sum(winners[name][seed] == winners["full"][seed] for seed in seeds) for name in KINDS if name != "full"]
    rules = {name: str(tables["verdicts"]["code_rule"].iloc[0]) or "none" for name, tables in of.items()}
    differ = [f"{name}: {rule}" for name, rule in rules.items() if rule != rules["full"]]
    costs = {name: cost(plan, place, tables["blocks"]) for name, tables in of.items()}
    shares = [f"{costs[name] / costs['full']:.2f}" for name in ("race", "doubling", "doubling, race")]
    rho = full["bits_mean"].corr(doubled["bits_mean"], method="spearman")
    bits = [", ".join(f"{rule} {number(row['bits_mean'])} ± {number(row['bits_sd'] / len(seeds) ** 0.5)}"
                      for rule, row in table.iterrows()) for table in (full, doubled)]  # fmt: skip
    task, size, learner = place
    cells = [f"{task}/{size} {learner}", str(len(seeds)), str(plan.tasks[task].n_blocks(size)), *bits, f"{rho:.2f}",
             ", ".join(map(str, same)), f"{rules['full']}" + (f"; {', '.join(differ)}" if differ else ""),
             ", ".join(shares)]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def here(table: pd.DataFrame, place: tuple[str, int, str]) -> pd.DataFrame:
    """A cell's rows of a table."""
    if not {*CELL} <= {*table.columns}:
        return table
    return table[(table[CELL] == list(place)).all(axis=1)]


def shortest(lengths: pd.DataFrame) -> dict[int, str]:
    """The rule of each seed's shortest code, or, by the first block, of the shortest so far."""
    known = lengths[lengths["state"].isin(KNOWN)]
    return {int(seed): str(of.loc[of["bits_at_least"].idxmin(), "candidate"]) for seed, of in known.groupby("seed")}  # type: ignore[call-overload]


def cost(plan: Plan, place: tuple[str, int, str], blocks: pd.DataFrame) -> float:
    """Expected seconds of the trainings beyond T, by the rates of `make estimate`; shared ones count once."""
    trained: Any = blocks[blocks["block"] > 1].groupby("training_id")["block"].min()
    return sum(plan.costs.training_seconds(plan.cells[place], int(block) - 1) for block in trained)


if __name__ == "__main__":
    main()
