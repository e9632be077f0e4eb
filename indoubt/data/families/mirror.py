"""Odd-one-out or Hierarchical on mirror strings (Wilson & Frank, GenBench 2023): palindromes `h c h`-reversed.

On T the centre is also the least frequent letter; on H it is the most frequent one. T's strings were drawn at random,
once, by the authors; a subclass gives that draw in short, as it was released.
"""

from __future__ import annotations

import itertools
from typing import ClassVar

from indoubt.data.families.odd_one import LETTERS
from indoubt.data.task import Symbols, Task

DEPTHS = range(2, 7)


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
