"""What the three grammars share: a rule with its length in bits, what choices cost, what a rule may switch on.

A choice among things that are numbered from 1 costs Elias' gamma code of the number; all others cost what the grammars'
tables say. Within a grammar 2^-bits of all choices at a place sum to at most 1, so that the bits are those of a code.
A condition decides, input by input, which of two rules gives the output.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from indoubt.found.primitives import alternates, least

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


Symbols = tuple[str, ...]

SHORTER, LONGER, FEWER = 3, 3, 3
ALL_THE_SAME, ENDS_AGREE, ALTERNATES = 4, 4, 6
RAREST_COUNT, RAREST_SHARE = 5, 6
BEGINS, ENDS, MAJORITY, ODD, COUNT = 6, 6, 7, 7, 7
#: Letters of which there are conditions, and counts of one that there are.
LETTERS, COUNTS = 8, (1, 2, 3)
Known = tuple[int, Callable[[Symbols], bool], str, str, str]


def conditions(inputs: Sequence[Symbols], longest: int) -> list[Condition]:
    """All conditions that hold for some of the inputs and not for others, one for each behaviour.

    Args:
        longest: the length of T's longest input.
    """
    found: list[Condition] = []
    known: set[tuple[bool, ...]] = set()
    for bits, holds, words, short, python in _all(inputs, longest):
        where = tuple(bool(holds(source)) for source in inputs)
        otherwise = tuple(not each for each in where)
        if any(where) and any(otherwise) and not {where, otherwise} & known:
            known.add(where)
            found.append(Condition(bits, where, words, short, python))
    return found


def _all(inputs: Sequence[Symbols], longest: int) -> Iterator[Known]:
    yield SHORTER, lambda s: len(s) < longest, "it is shorter than T's", "shorter", f"len(source) < {longest}"
    yield LONGER, lambda s: len(s) > longest, "it is longer than T's", "longer", f"len(source) > {longest}"
    if len({len(source) for source in inputs}) > 1:
        for part, name in ((3, "third"), (4, "quarter")):
            yield (
                RAREST_SHARE,
                lambda s, part=part: least(s) * part < len(s),  # type: ignore[misc]
                f"the rarest is less than a {name} of it",
                f"rare <1/{part}",
                f"least(source) * {part} < len(source)",
            )
    for times, often in ((1, "once"), (2, "at most twice")):
        words, python = f"the rarest occurs {often}", f"least(source) <= {times}"
        yield RAREST_COUNT + gamma(times), lambda s, t=times: least(s) <= t, words, f"rare ≤{times}", python  # type: ignore[misc]
    for fewer in sorted({len(source) for source in inputs})[1:]:
        words, python = f"it has fewer than {fewer} symbols", f"len(source) < {fewer}"
        yield FEWER + gamma(fewer), lambda s, t=fewer: len(s) < t, words, f"<{fewer}", python  # type: ignore[misc]
    same = "all its symbols are the same"
    yield ALL_THE_SAME, lambda s: len(set(s)) == 1, same, "all alike", "len(set(source)) == 1"
    ends = "its first and last agree"
    yield ENDS_AGREE, lambda s: s[:1] == s[-1:], ends, "ends agree", "source[:1] == source[-1:]"
    for symbol in sorted({symbol for source in inputs for symbol in source})[:LETTERS]:
        yield from _of_letter(symbol)
    yield ALTERNATES, alternates, "no two neighbours are the same", "alternates", "alternates(source)"


def _of_letter(a: str) -> Iterator[Known]:
    """Conditions on one symbol."""
    yield BEGINS, lambda s: s[:1] == (a,), f"it begins with {a}", f"{a}...", f"source[:1] == ({a!r},)"
    yield ENDS, lambda s: s[-1:] == (a,), f"it ends with {a}", f"...{a}", f"source[-1:] == ({a!r},)"
    majority = f"source.count({a!r}) * 2 > len(source)"
    yield MAJORITY, lambda s: s.count(a) * 2 > len(s), f"{a} is the majority", f"most {a}", majority
    yield ODD, lambda s: s.count(a) % 2 == 1, f"the number of {a} is odd", f"odd {a}", f"source.count({a!r}) % 2 == 1"
    for times in COUNTS:
        words = f"{a} occurs at most {'once' if times == 1 else f'{times} times'}"
        python = f"source.count({a!r}) <= {times}"
        yield COUNT + gamma(times), lambda s, t=times: s.count(a) <= t, words, f"{a} ≤{times}", python  # type: ignore[misc]


def kraft() -> float:
    """2^-bits summed over all choices, of tasks with the most letters and lengths."""
    lengths = sum(2.0 ** -(FEWER + gamma(fewer)) for fewer in range(2, 1000))
    letter = sum(2.0**-bits for bits, *_ in _of_letter("a"))
    others = [SHORTER, LONGER, ALL_THE_SAME, ENDS_AGREE, ALTERNATES, RAREST_SHARE, RAREST_SHARE]
    others += [RAREST_COUNT + gamma(times) for times in (1, 2)]
    return lengths + LETTERS * letter + sum(2.0**-bits for bits in others)
