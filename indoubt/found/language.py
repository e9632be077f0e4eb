"""What the three grammars share: a rule of the language with its length in bits, and what choices cost.

A choice among things that are numbered from 1 costs Elias' gamma code of the number; all others cost what the grammars'
tables say. Within a grammar 2^-bits of all choices at a place sum to at most 1, so that the bits are those of a code.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

#: What an output is within a grammar: a length, a symbol, a sequence of symbols.
Value = TypeVar("Value")

#: "It gives T itself", and "T's inputs get T's outputs, all others this".
GIVES_T, BESIDES_T = 1, 4
#: "One rule for all inputs", "shorter and longer inputs have rules of their own", "if it is so this rule, else that".
NO_SWITCH, TWO_SIDES, SWITCH = 1, 2, 5


@dataclass(frozen=True)
class Program(Generic[Value]):
    """A rule of the language: its length in bits, and what it gives for each of the inputs that were asked about.

    `words` and `short` (at most some 16 characters) are for people; `python` is an expression.
    """

    bits: int
    outputs: tuple[Value, ...]
    words: str
    short: str
    python: str


@dataclass(frozen=True)
class Condition:
    """What may decide between two rules: whether it holds for each of the inputs."""

    bits: int
    holds: tuple[bool, ...]
    words: str
    short: str
    python: str


def gamma(number: int) -> int:
    """Bits of Elias' gamma code of a number from 1 on. (P. Elias, IEEE Transactions on Information Theory 21, 1975)"""
    return 2 * (number.bit_length() - 1) + 1


def bits_of_one(choices: int) -> int:
    """Whole bits that name one of so many."""
    return max(1, (choices - 1).bit_length())


def ordinal(place: int) -> str:
    """`first`, `second`, `third`, `4th`, ..., `21st`."""
    ending = "th" if place % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(place % 10, "th")
    return {1: "first", 2: "second", 3: "third"}.get(place, f"{place}{ending}")


def shortest(programs: Iterable[Program[Value]]) -> list[Program[Value]]:
    """Of programs that give the same for all inputs the shortest, then the first; shortest first."""
    kept: dict[tuple[Value, ...], Program[Value]] = {}
    for program in sorted(programs, key=lambda each: each.bits):
        kept.setdefault(program.outputs, program)
    return list(kept.values())
