"""Seeds in steps: a cell starts with a few and goes on, doubling them, until it is decided or has its most."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from indoubt.errors import UserError
from indoubt.files import read_text


@dataclass(frozen=True)
class Until:
    """Train seeds 1 to `first`, look, and go on in steps to at most `most`, until one rule is surely preferred."""

    first: int
    most: int

    @property
    def ends(self) -> tuple[int, ...]:
        """The last seed of each step: 12, 24, 48, 96 and 100 for 12 to 100."""
        ends = [self.first]
        while ends[-1] < self.most:
            ends.append(min(2 * ends[-1], self.most))
        return tuple(ends)


@dataclass(frozen=True)
class Look:
    """What was seen of a cell at a look: how many seeds it had, and whether that decides it.

    `rule` is the one that leads, by `measure`; `e_value` is the least e-value against its equality with another rule,
    adjusted for all `n_pairs` pairs of rules of the task's cells; from `needed` on it decides.
    """

    seeds: int
    most: int
    decided: bool
    rule: str
    measure: str
    e_value: float
    needed: float
    n_pairs: int

    @property
    def open(self) -> bool:
        """Whether more seeds are to be trained."""
        return not self.decided and self.seeds < self.most


def reached(until: Until, cell: str, looks: Sequence[Mapping[str, Look]]) -> int:
    """The last seed of a cell that is to be trained, after some looks at its task's cells."""
    if not looks:
        return until.first
    last = looks[-1][cell]
    return next(end for end in until.ends if end > last.seeds) if last.open else last.seeds


def looks_text(cells: Mapping[str, Look]) -> str:
    """A look at all cells of a task, as its file holds it."""
    return json.dumps({cell: asdict(look) for cell, look in cells.items()}, indent=1, sort_keys=True) + "\n"


def read_look(path: Path) -> dict[str, Look]:
    """What was seen at a look, by cell (`size/learner`).

    Raises:
        UserError: the file is missing or damaged.
    """
    text = read_text(path, "run the workflow to make it")
    try:
        return {cell: Look(**look) for cell, look in json.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        raise UserError(f"{path} is damaged; delete it and run again") from None


def looks_in(folder: Path, task: str) -> list[dict[str, Look]]:
    """The looks at a task that a results folder holds, in order."""
    found: list[dict[str, Look]] = []
    while (path := folder / task / f"{len(found) + 1}.json").exists():
        found.append(read_look(path))
    return found
