"""First-Last-Majority-Parity: order, or numbers, and numbers of which kind?"""

from __future__ import annotations

import itertools

from indoubt.data.task import Symbols, Task


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


def ends_vote(source: Symbols, size: int) -> Symbols | None:
    """At size 5 the symbol that occurs most, the first and the last counted twice: `a b b b a -> a`."""
    return _most(*source, source[0], source[-1]) if size == 5 else None


def first_vote(source: Symbols, size: int) -> Symbols | None:
    """At size 5 the symbol that occurs most, the first counted three times: `a b b b b -> b`, `a b b b a -> a`."""
    return _most(*source, source[0], source[0]) if size == 5 else None


def ends_else_a(source: Symbols, size: int) -> Symbols | None:
    """At size 5 the letter of the ends where they agree, else always `a`: `b a a a b -> b`, `b b b b a -> a`."""
    return _ends_else("a", source) if size == 5 else None


def ends_else_b(source: Symbols, size: int) -> Symbols | None:
    """At size 5 the letter of the ends where they agree, else always `b`: `a b b b a -> a`, `a a a a b -> b`."""
    return _ends_else("b", source) if size == 5 else None


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
    further_rules = {
        "ends_vote": ends_vote,
        "first_vote": first_vote,
        "ends_else_a": ends_else_a,
        "ends_else_b": ends_else_b,
    }
    found_on = dict.fromkeys(further_rules, "1-48")

    def training_inputs(self, size: int) -> list[Symbols]:
        return [string for string in itertools.product("ab", repeat=size) if _agreed(string, size)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [string for string in itertools.product("ab", repeat=size) if not _agreed(string, size)]


def _most(*counted: str) -> Symbols:
    return ("a",) if counted.count("a") > counted.count("b") else ("b",)


def _ends_else(letter: str, source: Symbols) -> Symbols:
    return source[:1] if source[0] == source[-1] else (letter,)


def _agreed(string: Symbols, size: int) -> bool:
    return len({rule(string, size) for rule in (first, last, majority, parity)}) == 1
