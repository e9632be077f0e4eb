"""Copy-or-Reverse: which order does an output take that fits both?"""

from __future__ import annotations

import itertools

from indoubt.data.task import Symbols, Task


def copy(source: Symbols, size: int) -> Symbols:
    """The input itself: `a b b a a b -> a b b a a b`."""
    return source


def reverse(source: Symbols, size: int) -> Symbols:
    """The input backwards: `a b b a a b -> b a a b b a`."""
    return source[::-1]


def mirror_left(source: Symbols, size: int) -> Symbols:
    """The first half, then its mirror image: `a b b a a b -> a b b b b a`."""
    return source[: (size + 1) // 2] + source[: size // 2][::-1]


def mirror_right(source: Symbols, size: int) -> Symbols:
    """The mirror image of the second half, then that half: `a b b a a b -> b a a a a b`."""
    return source[size // 2 :][::-1] + source[(size + 1) // 2 :]


class CopyOrReverse(Task):
    """All palindromes of `size` letters map to themselves. Is the rule "the same", "backwards" or a mirrored half?

    Size 4: T is `a a a a`, `a b b a`, `b a a b` and `b b b b`, each to itself; on the hold-out input `a b a a`, `copy`
    gives `a b a a`, `reverse` gives `a a b a`, `mirror_left` gives `a b b a` and `mirror_right` gives `a a a a`. H
    holds all other strings; on each of them all four differ.
    """

    name = "copy-or-reverse"
    sizes = (4, 5, 6)
    block_size = 8
    candidates = {"copy": copy, "reverse": reverse, "mirror_left": mirror_left, "mirror_right": mirror_right}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [string for string in itertools.product("ab", repeat=size) if string == string[::-1]]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [string for string in itertools.product("ab", repeat=size) if string != string[::-1]]
