"""Add-or-Multiply (paper, section 3)."""

from __future__ import annotations

from doubt import Symbols, Task


def add(source: Symbols, size: int) -> Symbols:
    """`size` more symbols than the input has: at size 5, `a a a -> b b b b b b b b`."""
    return ("b",) * (len(source) + size)


def mul(source: Symbols, size: int) -> Symbols:
    """Twice as many symbols as the input has: `a a a -> b b b b b b`."""
    return ("b",) * (2 * len(source))


def mem(source: Symbols, size: int) -> Symbols:
    """The training output, whatever the input: `2 * size` symbols."""
    return ("b",) * (2 * size)


class AddOrMul(Task):
    """One training example maps `size` symbols to `2 * size`. Is the rule "`size` more", "twice" or "always so many"?

    Size 5: T is `a a a a a -> b b b b b b b b b b`; on the hold-out input `a a a`, `add` gives eight `b`, `mul` six
    and `mem` ten. H holds all lengths within 3 of `size`.
    """

    name = "add-or-mul"
    sizes = (5, 10, 15, 20)
    candidates = {"add": add, "mul": mul, "mem": mem}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * size]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * length for length in range(size - 3, size + 4) if length != size]
