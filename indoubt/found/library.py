"""All rules that a search may choose among, for one task and size: as arrays over the hold-out inputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from indoubt.data.task import Symbols
from indoubt.found.language import Condition

LENGTHS, SYMBOLS, SEQUENCES = "lengths", "symbols", "sequences"
Numbers = NDArray[np.int64]
Bits = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Outputs:
    """Numbers for outputs, those of each hold-out input apart, so that one array counts them all."""

    def __init__(self, n_inputs: int) -> None:
        self._numbers: list[dict[Symbols, int]] = [{} for _ in range(n_inputs)]
        self.said: list[Symbols] = []
        self.places: list[int] = []

    def number(self, place: int, output: Symbols) -> int:
        """The number of an output for the hold-out input at a place."""
        known = self._numbers[place].setdefault(output, len(self.said))
        if known == len(self.said):
            self.said.append(output)
            self.places.append(place)
        return known

    def row(self, outputs: Iterable[Symbols]) -> list[int]:
        """The numbers of an output for each of the hold-out inputs."""
        return [self.number(place, output) for place, output in enumerate(outputs)]


@dataclass(frozen=True)
class Rule:
    """A rule as it stands on H: `said` are the numbers of its outputs, `bits` its length, all flags with it."""

    bits: int
    said: Numbers
    words: str
    short: str
    python: str
    gives_t: bool

    @property
    def key(self) -> bytes:
        """Equal for rules that say the same of H."""
        return self.said.tobytes()


@dataclass(frozen=True)
class Programs:
    """Rules in the order of their bits: `bits` (rules,) and `said` (rules, inputs), the numbers of their outputs."""

    bits: Bits
    said: Numbers
    rules: list[tuple[str, str, str, bool]]

    def rule(self, place: int, more: int = 0) -> Rule:
        """One of them; `more` bits say that it stands alone."""
        words, short, python, gives_t = self.rules[place]
        return Rule(int(self.bits[place]) + more, self.said[place], words, short, python, gives_t)


@dataclass(frozen=True)
class Side:
    """The hold-out inputs on one side of T's longest, as places, and the rules for them."""

    places: Numbers
    programs: Programs


@dataclass
class Library:
    """What a search chooses among.

    `whole` are the rules for all inputs; two of them can be joined by one of `conditions`. In the grammar of lengths
    `sides` have rules for shorter and for longer inputs. `given` are the task's own rules that were not found, `named`
    all rules of tasks with the same T, adopted ones too: what they say of H. `also` lists for a rule, by what it says
    of H, longer ones that say the same. `inputs` are those of H (`holdout`) that are searched.
    """

    grammar: str
    inputs: list[Symbols]
    training: dict[Symbols, Symbols]
    outputs: Outputs
    limit: int
    whole: Programs
    conditions: list[Condition] = field(default_factory=list)
    sides: list[Side] = field(default_factory=list)
    given: dict[str, Rule] = field(default_factory=dict)
    named: dict[bytes, list[str]] = field(default_factory=dict)
    also: dict[bytes, list[str]] = field(default_factory=dict)
    holdout: list[Symbols] = field(default_factory=list)

    @cached_property
    def alone(self) -> dict[bytes, int]:
        """The places of the rules for all inputs, by what they say of H."""
        return {row.tobytes(): place for place, row in enumerate(self.whole.said)}

    @property
    def n_programs(self) -> int:
        """How many rules, or parts of a rule, a search compares."""
        return len(self.whole.bits) + sum(len(side.programs.bits) for side in self.sides)

    @property
    def n_letters(self) -> int:
        """How many symbols there are to spell an output of."""
        outputs = {symbol for output in self.training.values() for symbol in output}
        sources = {symbol for source in self.training for symbol in source}
        return len(outputs | sources if self.grammar == SEQUENCES else outputs)
