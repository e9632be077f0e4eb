"""What `seeds: {from: 12, at_most: 100, until: sure}` saves: simulated from the shares that a results folder measured.

    python benchmarks/stopping.py --tables results/tables

For each cell of FPA, seeds are drawn from the shares of its classes as they were measured, and looked at in steps, all
cells of a task together, as the workflow does it. Prints, per cell, after how many seeds the simulated runs stopped.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import pandas as pd

from indoubt.errors import exit_on_user_error
from indoubt.schema import CELL
from indoubt.statistics.stopping import decide
from indoubt.tables.tables import read_table
from indoubt.workflow.cells import Look, Until, reached

#: The cells of a task: for each, its candidates and the shares of its classes.
Cells = Mapping[str, tuple[list[str], Mapping[str, float]]]


def stops(cells: Cells, until: Until, stream: random.Random) -> dict[str, Look]:
    """One simulated run of a task: what its last look saw of each cell."""
    drawn = {
        name: stream.choices(list(shares), list(shares.values()), k=until.most) for name, (_, shares) in cells.items()
    }
    looks: list[dict[str, Look]] = []
    while not looks or any(look.open for look in looks[-1].values()):
        counts, seeds = {}, {}
        for name, (rules, _) in cells.items():
            n = reached(until, name, looks)
            found = Counter(drawn[name][:n])
            counts[name] = {(a, b): (found[a], found[b]) for a, b in combinations(rules, 2)}
            seeds[name] = (n, until.most, "fpa")
        looks.append(decide(counts, seeds))
    return looks[-1]


def measured(fpa: pd.DataFrame) -> dict[str, dict[str, tuple[list[str], dict[str, float]]]]:
    """The cells of each task, with their candidates and the shares of their classes."""
    tasks: dict[str, dict[str, tuple[list[str], dict[str, float]]]] = {}
    for key, cell in fpa.groupby(CELL, sort=True):
        task, size, learner = key
        candidates = list(cell.loc[cell["kind"] == "candidate", "class"])
        shares = dict(zip(cell["class"], cell["fpa"].astype(float), strict=True))
        tasks.setdefault(str(task), {})[f"{size}/{learner}"] = (candidates, shares)
    return tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=Path, default=Path("results/tables"), help="folder of measured tables")
    parser.add_argument("--runs", type=int, default=1000, help="simulated runs (default 1,000)")
    parser.add_argument("--first", type=int, default=12, help="seeds of the first step (default 12)")
    parser.add_argument("--most", type=int, default=100, help="seeds at most (default 100)")
    arguments = parser.parse_args()
    fpa, costs = read_table(arguments.tables, "fpa"), read_table(arguments.tables, "costs")
    until, stream = Until(arguments.first, arguments.most), random.Random(0)
    spent = costs.groupby(CELL)[["seconds", "n_trainings"]].sum()
    hours, all_hours, seeds = 0.0, 0.0, 0.0
    print(f"{'cell':<44}" + "".join(f"{f'at {end}':>8}" for end in until.ends) + f"{'sure':>8}{'mean':>8}")
    tasks = measured(fpa)
    for task, cells in tasks.items():
        runs = [stops(cells, until, stream) for _ in range(arguments.runs)]
        for name in cells:
            size, learner = name.split("/", 1)
            counts = Counter(run[name].seeds for run in runs)
            shares = "".join(f"{counts[end] / len(runs):>8.0%}" for end in until.ends)
            sure = sum(run[name].decided for run in runs) / len(runs)
            mean = sum(run[name].seeds for run in runs) / len(runs)
            print(f"{task + '/' + name:<44}{shares}{sure:>8.0%}{mean:>8.1f}")
            seconds, n = spent.loc[(task, int(size), learner)]
            hours += mean * seconds / n / 3600
            all_hours += until.most * seconds / n / 3600
            seeds += mean
    n_cells = sum(map(len, tasks.values()))
    print(
        f"{n_cells} cells: {seeds:,.0f} trainings of T on average, {hours:.2f} CPU-hours at the measured seconds per "
        f"training; with {until.most} seeds everywhere {n_cells * until.most:,} and {all_hours:.2f}."
    )


if __name__ == "__main__":
    exit_on_user_error(main)
