"""Whether the tables in a results folder are those of a configuration: they may be an earlier one's."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from indoubt.data.task import FPA
from indoubt.workflow.planning.plan import Plan
from indoubt.workflow.running.measurement import chains
from indoubt.workflow.standing.standing import as_measured

Place = tuple[str, ...]


def belong(tables: Path, plan: Plan) -> bool:
    """Whether tables hold a plan's cells and seeds, measured on its trainings; of seeds in steps there may be fewer."""
    # task, size, learner and seed, with the training of a seed's outputs, and with the candidates of its codes
    seeds, codes, may_lack = set[Place](), set[Place](), set[Place]()
    for cell in plan.cells.values():
        place = (cell.task, str(cell.size), cell.learner)
        asked = [(FPA, seed) for seed, datasets in cell.seeds.items() if FPA in datasets]
        trained = chains(as_measured(plan, cell), asked, range(1)) if asked else []
        of_cell = {(*place, str(training.seed), training.key) for chain in trained for training in chain}
        of_codes = {(*place, str(seed), each) for seed, each in _candidates(cell.seeds)}
        seeds |= of_cell
        codes |= of_codes
        if cell.until is not None:
            may_lack |= of_cell | of_codes
    found = _rows(tables / "seed_classes.csv", "training_id"), _rows(tables / "seed_code_lengths.csv", "candidate")
    return all(there <= wanted <= there | may_lack for there, wanted in zip(found, (seeds, codes), strict=True))


def _candidates(seeds: Mapping[int, Sequence[str]]) -> list[tuple[int, str]]:
    return [(seed, dataset) for seed, datasets in seeds.items() for dataset in datasets if dataset != FPA]


def _rows(table: Path, last: str) -> set[Place]:
    """Task, size, learner, seed and one more column of a table; nothing where it is missing, or is another's."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            return {
                tuple(row[name] for name in ("task", "size", "learner", "seed", last)) for row in csv.DictReader(file)
            }
    except (OSError, KeyError, ValueError, csv.Error):
        return set()
