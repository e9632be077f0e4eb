"""First-Last-Majority-Parity: order, or numbers, and numbers of which kind?"""

from __future__ import annotations

import itertools

from doubt.data.task import Symbols, Task


def first(source: Symbols, size: int) -> Symbols:
    """The first symbol: `a b b b a -> a`."""
    return source[:1]


def last(source: Symbols, size: int) -> Symbols:
    """The last symbol: `a b b a b -> b`."""
    return source[-1:]


def majority(source: Symbols, size: int) -> Symbols:
    """The symbol that occurs most: `a b b b a -> b`."""
    return ("a",) if source.count("a") > source.count("b") else ("b",)


def parity(source: Symbols, size: int) -> Symbols:
    """`b` if the number of `b` is odd, else `a`: `a b b b a -> b`."""
    return ("b",) if source.count("b") % 2 else ("a",)


class FirstLastMajorityParity(Task):
    """Strings of `size` letters map to one letter. Is it the first, the last, the most frequent, or the odd one?

    Size 5: T holds the eight strings on which the four rules agree, as `a a a a a -> a` and `b a a b b -> b`; on the
    hold-out input `a b b b a`, `first` and `last` give `a`, `majority` and `parity` give `b`. H holds all other
    strings.
    """

    name = "first-last-majority-parity"
    sizes = (5, 7)
    block_size = 8
    candidates = {"first": first, "last": last, "majority": majority, "parity": parity}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [string for string in itertools.product("ab", repeat=size) if _agreed(string, size)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [string for string in itertools.product("ab", repeat=size) if not _agreed(string, size)]


def _agreed(string: Symbols, size: int) -> bool:
    return len({rule(string, size) for rule in (first, last, majority, parity)}) == 1
