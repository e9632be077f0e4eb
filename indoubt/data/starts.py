"""What a learner has learned before T: stages, one after the other, each a task's examples labelled by a rule.

All stages and the measured task have one vocabulary, by the names of symbols: those of the stages in their order, then
what the measured dataset has beside. So a symbol keeps what was learned of it; with `rename` the stages' symbols get
names of their own, and only what is not in embeddings carries over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from indoubt.data.task import FPA, Symbols, Task
from indoubt.data.vocabulary import RESERVED, Vocabulary, vocabularies
from indoubt.errors import UserError

#: What stands before the name of a stage's symbol where the measured task has symbols of its own.
BEFORE = "before:"


@dataclass(frozen=True)
class Stage:
    """T of a task, and H labelled by a rule (None: T alone), learned for so many updates."""

    task: str
    size: int
    rule: str | None
    updates: int
    batch_size: int | None = None

    @property
    def dataset(self) -> str:
        """The dataset that it is."""
        return FPA if self.rule is None else self.rule

    @property
    def label(self) -> str:
        """What it is called: `hierar-or-linear 4 linear`, `count-or-mem 10 T`."""
        return f"{self.task} {self.size} {self.rule or 'T'}"


@dataclass(frozen=True)
class Start:
    """The stages of a learner's start, and whether the measured task has symbols of its own."""

    stages: tuple[Stage, ...]
    rename: bool = False

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Start:
        """What `asdict` made."""
        return cls(tuple(Stage(**stage) for stage in content["stages"]), content["rename"])

    @property
    def label(self) -> str:
        """What it is called in tables and figures."""
        return ", ".join(stage.label for stage in self.stages) + (" (renamed)" if self.rename else "")

    def joint(self, tasks: Mapping[str, Task], task: Task, size: int, dataset: str) -> tuple[Vocabulary, Vocabulary]:
        """The vocabularies, of sources and of targets, of all stages and a measured dataset."""
        before = [vocabularies(tasks[each.task], each.size, each.dataset) for each in self.stages]
        own = vocabularies(task, size, dataset)
        return (
            joined([source for source, _ in before], own[0], self.rename),
            joined([target for _, target in before], own[1], self.rename),
        )


def joined(before: Iterable[Vocabulary], own: Vocabulary, rename: bool) -> Vocabulary:
    """One vocabulary of some stages, in their order, and of what a measured dataset has beside, by name.

    Raises:
        UserError: a symbol of the dataset has the name that a stage's symbol is given.
    """
    of_stages = dict.fromkeys(renamed(symbol, rename) for vocabulary in before for symbol in vocabulary.own)
    clash = sorted(of_stages.keys() & set(own.own)) if rename else []
    if clash and not all(symbol in own.own for symbol in of_stages):  # else it is joined already
        raise UserError(
            f"the measured task has a symbol {clash[0]!r}, which `rename` would also give to a symbol of the start; "
            "rename it in the task, or leave `rename` out"
        )
    return Vocabulary.of((), [*of_stages, *sorted(set(own.own) - of_stages.keys())])


def renamed(symbol: str, rename: bool) -> str:
    """A stage's symbol as the joint vocabulary calls it; special ones stay."""
    return f"{BEFORE}{symbol}" if rename and not RESERVED.fullmatch(symbol) else symbol


def rename_all(sentence: Symbols, rename: bool) -> Symbols:
    """A stage's sentence as the joint vocabulary writes it."""
    return tuple(renamed(symbol, rename) for symbol in sentence)


def label_of(start: Any) -> str:
    """A start, as a definition has it, in the name of a learner: `hierar-or-linear-4-linear`, `none`."""
    told = ("task", "size", "rule", "updates")
    names = [
        "-".join(str(stage[key]) for key in told if stage.get(key) is not None) if isinstance(stage, Mapping) else "?"
        for stage in listed(start)
    ]
    return "+".join(names) or "none"


def listed(start: Any) -> list[Any]:
    """The stages of a start, as a definition has it."""
    return list(start) if isinstance(start, list) else [] if start is None else [start]
