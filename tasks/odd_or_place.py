"""Odd-or-Place: what is it that was called hierarchical?"""

from __future__ import annotations

from indoubt.data.families.odd_one import (
    LETTERS,
    SHAPES,
    five_or_eleven,
    least_frequent,
    middle,
    newcomer,
    nth,
    odd_number,
    with_odd_at,
    wrapped,
)
from indoubt.data.task import Symbols, Task

LENGTHS = (5, 7, 11, 13)


def right(source: Symbols, size: int) -> Symbols:
    """The symbol as far from the end as T's centre, the (`size` + 1)-th from there: at size 4, `a a b a a a a -> b`."""
    return (source[-1 - size],)


def rare_else_a(source: Symbols, size: int) -> Symbols | None:
    """The least frequent symbol if it is less than a quarter of the input, else `a`; nothing is said of T's inputs."""
    return _rare_else("a", source, size)


def rare_else_b(source: Symbols, size: int) -> Symbols | None:
    """The least frequent symbol if it is less than a quarter of the input, else `b`; nothing is said of T's inputs."""
    return _rare_else("b", source, size)


class OddOrPlace(Task):
    """Four training examples map a symbol wrapped `size` deep to itself. By which of six rules: three of place, three
    of number and novelty?

    Size 4: T is that of hierar-or-linear, `a a a a b a a a a -> b` and the three other pairs of wrapper and centre. On
    the hold-out input `a b b a a`, `middle` gives `b`, `left` (the fifth symbol) and `right` (the fifth from the end)
    give `a`, `oddone` (the least frequent) gives `b`, `parity` (the one that occurs an odd number of times) gives `a`
    and `newcomer` (the first that differs from the first) gives `b`. H has, at lengths 5, 7, 11 and 13, the odd symbol
    first, fifth, fifth from the end, and second and third.
    """

    name = "odd-or-place"
    sizes = (4,)
    block_size = 6
    candidates = {
        "middle": middle,
        "left": nth,
        "right": right,
        "oddone": least_frequent,
        "parity": odd_number,
        "newcomer": newcomer,
    }
    further_rules = {"five_or_eleven": five_or_eleven, "rare_else_a": rare_else_a, "rare_else_b": rare_else_b}
    found_on = dict.fromkeys(further_rules, "1-48")

    def training_inputs(self, size: int) -> list[Symbols]:
        return [wrapped(wrapper, centre, size) for wrapper, centre in SHAPES]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        holdout = []
        for length in LENGTHS:
            for wrapper, odd in (LETTERS, LETTERS[::-1]):
                places = dict.fromkeys([(0,), (size,), (length - 1 - size,), (1, 2)])
                holdout += [with_odd_at(wrapper, odd, length, *each) for each in places]
        return holdout


def _rare_else(letter: str, source: Symbols, size: int) -> Symbols | None:
    if len(source) == 2 * size + 1:
        return None
    rarest = least_frequent(source, size)
    return rarest if 4 * source.count(rarest[0]) < len(source) else (letter,)
