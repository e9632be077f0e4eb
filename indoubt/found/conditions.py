"""What a rule may switch on: the condition decides, input by input, which of two rules gives the output."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from indoubt.found.language import Condition, gamma
from indoubt.found.primitives import alternates, least

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
