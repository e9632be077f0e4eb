"""What found rules are made of, as Python: each of these is searched with, and printed with a rule that is adopted.

Where there is nothing to give (no such symbol, a tie) they give None.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping

Symbols = tuple[str, ...]


def most_frequent(source: Symbols) -> str | None:
    """The symbol that occurs most; of several the first in the alphabet."""
    return max(sorted(set(source)), key=source.count, default=None)


def rarest(source: Symbols) -> str | None:
    """The symbol that occurs least, but occurs; of several the first in the alphabet."""
    return min(sorted(set(source)), key=source.count, default=None)


def least(source: Symbols) -> int:
    """How often the rarest symbol occurs."""
    return min(map(source.count, source), default=0)


def odd_in_number(source: Symbols) -> str | None:
    """The only symbol that occurs an odd number of times."""
    odd = [symbol for symbol, number in Counter(source).items() if number % 2]
    return odd[0] if len(odd) == 1 else None


def newcomer(source: Symbols) -> str | None:
    """The first symbol that differs from the one before all; that one if none does."""
    return next((symbol for symbol in source if symbol != source[0]), source[0]) if source else None


def longest_run(source: Symbols) -> str | None:
    """The symbol that stands most often in a row; of several the first to."""
    runs = [(symbol, len(list(run))) for symbol, run in itertools.groupby(source)]
    return max(runs, key=lambda run: run[1])[0] if runs else None


def vote(source: Symbols, first: int, middle: int, last: int) -> str | None:
    """The symbol with most votes, where the first, the middle and the last symbol have so many and all others one."""
    votes: Counter[str] = Counter()
    for place, symbol in enumerate(source):
        weights = {len(source) // 2: middle, len(source) - 1: last, 0: first}
        votes[symbol] += weights.get(place, 1)
    leading = votes.most_common(2)
    return None if not leading or (len(leading) == 2 and leading[0][1] == leading[1][1]) else leading[0][0]


def agree(one: str | None, another: str | None, otherwise: str | None) -> str | None:
    """The first, if the second is the same; else the third."""
    return one if one == another else otherwise


def alternates(source: Symbols) -> bool:
    """Whether no two neighbours are the same."""
    return all(left != right for left, right in itertools.pairwise(source))


def first_half(part: Symbols) -> Symbols:
    """The first half, the middle with it."""
    return part[: (len(part) + 1) // 2]


def second_half(part: Symbols) -> Symbols:
    """The second half, the middle with it."""
    return part[len(part) // 2 :]


def mirrored(part: Symbols) -> Symbols:
    """A part, then the same backwards."""
    return part + part[::-1]


def meaning(part: Symbols, words: Mapping[str, Symbols]) -> Symbols | None:
    """The outputs of the single symbols, one after another."""
    return tuple(itertools.chain(*(words[symbol] for symbol in part))) if set(part) <= set(words) else None


def nearest(source: Symbols, seen: Mapping[Symbols, Symbols]) -> Symbols:
    """The output of the input of T that differs in the fewest places; of several the first."""
    return seen[min(seen, key=lambda known: sum(a != b for a, b in itertools.zip_longest(source, known)))]
