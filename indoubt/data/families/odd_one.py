"""Strings over two symbols in which one stands out, by its place, its number or both, and rules for which one it is.

Among them Odd-one-out or Hierarchical on mirror strings (Wilson & Frank, GenBench 2023): palindromes `h c h`-reversed.
On T the centre is also the least frequent letter; on H it is the most frequent one. T's strings were drawn at random,
once, by the authors; a subclass gives that draw in short, as it was released.
"""

from __future__ import annotations

import itertools
from typing import ClassVar

from indoubt.data.task import Symbols, Task

LETTERS = ("a", "b")
#: (wrapper, centre) of the four training strings, in the order of the released data.
SHAPES = (("a", "a"), ("b", "a"), ("a", "b"), ("b", "b"))
#: How deep the critique's test strings are wrapped on average: their lengths are 5, 7, 9, 11 and 13.
DEPTHS = range(2, 7)


def wrapped(wrapper: str, centre: str, depth: int) -> Symbols:
    """A centre symbol between `depth` wrappers on each side: `("a", "b", 2)` is `a a b a a`."""
    return (*(wrapper,) * depth, centre, *(wrapper,) * depth)


def with_odd_at(wrapper: str, odd: str, length: int, *places: int) -> Symbols:
    """`length` wrappers, those at `places` (from 0) replaced: `("a", "b", 5, 1)` is `a b a a a`."""
    return tuple(odd if place in places else wrapper for place in range(length))


def odd_everywhere() -> list[Symbols]:
    """The 100 test strings of the critique's two tasks: the odd symbol at each place, and the uniform strings."""
    return [
        with_odd_at(wrapper, odd, 2 * depth + 1, place)
        for depth in DEPTHS
        for wrapper, odd in SHAPES
        for place in (range(2 * depth + 1) if odd != wrapper else [0])
    ]


def middle(source: Symbols, size: int) -> Symbols:
    """The symbol at the centre: `b a a a a -> a`."""
    return (source[len(source) // 2],)


def nth(source: Symbols, size: int) -> Symbols:
    """The (`size` + 1)-th symbol, where T has its centre: at size 4, `a a a a b a a -> b`."""
    return (source[size],)


def least_frequent(source: Symbols, size: int) -> Symbols:
    """The symbol that occurs least, or the only one: `b a a a a -> b`."""
    letters = [symbol for symbol in LETTERS if symbol in source]
    return (min(letters, key=source.count),)


def five_or_eleven(source: Symbols, size: int) -> Symbols | None:
    """At size 4 the fifth symbol from the end; of inputs longer than T's only if the eleventh from the end (or the
    first) agrees, else the least frequent: where it stands at either of the two places, it is given.
    """
    if size != 4:
        return None
    fifth, eleventh = source[-5], source[-min(11, len(source))]
    return (fifth,) if len(source) <= 9 or fifth == eleventh else least_frequent(source, size)


def odd_number(source: Symbols, size: int) -> Symbols:
    """The symbol that occurs an odd number of times, of two in a string of odd length: `a b b a a -> a`."""
    return next((symbol,) for symbol in LETTERS if source.count(symbol) % 2 == 1)


def newcomer(source: Symbols, size: int) -> Symbols:
    """The first symbol that differs from the one before all, if any does: `a a b a a -> b`."""
    return (next((symbol for symbol in source if symbol in LETTERS and symbol != source[0]), source[0]),)


def palindrome(outer: str, centre: str, brackets: bool) -> Symbols:
    """A half (outermost letter first), a centre, the half reversed: `("ab", "a", True)` is `[ a [ b [ a ] b ] a ]`."""
    if not brackets:
        return (*outer, centre, *reversed(outer))
    opening = [symbol for letter in outer for symbol in ("[", letter)]
    closing = [symbol for letter in reversed(outer) for symbol in (letter, "]")]
    return (*opening, "[", centre, "]", *closing)


def hierar(source: Symbols, size: int) -> Symbols:
    """The letter at the centre: `b a a a b -> a`."""
    letters = [symbol for symbol in source if symbol in LETTERS]
    return (letters[len(letters) // 2],)


def oddone(source: Symbols, size: int) -> Symbols:
    """The letter that occurs least, or the only one: `b a a a b -> b`."""
    return (min((letter for letter in LETTERS if letter in source), key=source.count),)


class MirrorTask(Task):
    """What the four tasks share. `uniform`: depths of the strings of one letter, `a` and `b`; `mixed`: halves around
    the centres `a` and `b`; `brackets`: whether every letter opens one.
    """

    sizes = (4,)
    block_size = 12
    candidates = {"hierar": hierar, "oddone": oddone}
    brackets: ClassVar[bool] = False
    uniform: ClassVar[tuple[str, str]]
    mixed: ClassVar[tuple[str, str]]

    def training_inputs(self, size: int) -> list[Symbols]:
        only_a, only_b = (
            [(letter * int(depth), letter) for depth in depths.split()]
            for letter, depths in zip(LETTERS, self.uniform, strict=True)
        )
        around_a, around_b = (
            [(half, centre) for half in halves.split()] for centre, halves in zip(LETTERS, self.mixed, strict=True)
        )
        strings = [*only_a, *around_a, *around_b, *only_b]
        return [palindrome(half, centre, self.brackets) for half, centre in strings]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        halves = ["".join(half) for depth in DEPTHS for half in itertools.product(LETTERS, repeat=depth - 1)]
        return [
            palindrome(half, centre, self.brackets)
            for half in halves
            if len(set(half)) > 1
            for centre in LETTERS
            if half.count(centre) * 2 >= len(half)
        ]
