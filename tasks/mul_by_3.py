"""Multiply-by-3: is multiplying a preference, or the neighbour of another slope?"""

from __future__ import annotations

from indoubt.data.task import Symbols, Task


def mem(source: Symbols, size: int) -> Symbols:
    """The training output, whatever the input: three times as many symbols as its input."""
    return ("b",) * (3 * size)


def add(source: Symbols, size: int) -> Symbols:
    """Twice `size` more symbols than the input has: at size 5, three `a` give 13 `b`."""
    return ("b",) * (len(source) + 2 * size)


def affine(source: Symbols, size: int) -> Symbols:
    """Twice as many symbols as the input has, and `size` more: at size 5, three `a` give 11 `b`."""
    return ("b",) * (2 * len(source) + size)


def mul(source: Symbols, size: int) -> Symbols:
    """Three times as many symbols as the input has: three `a` give 9 `b`."""
    return ("b",) * (3 * len(source))


def total(source: Symbols, size: int) -> Symbols:
    """The output ends where T's whole sequence ended: at size 5, three `a` give 17 `b`."""
    return ("b",) * (4 * size - len(source))


class MulBy3(Task):
    """One training example maps `size` symbols to three times that. With which slope do outputs grow: 0, 1, 2 or 3?

    Size 5: T is five `a` to fifteen `b`; on the hold-out input `a a a`, `mem` gives 15 `b`, `add` 13, `affine` 11 and
    `mul` 9. H holds all lengths within 3 of `size`.
    """

    name = "mul-by-3"
    sizes = (5, 10, 15, 20)
    candidates = {"mem": mem, "add": add, "affine": affine, "mul": mul}
    further_rules = {"total": total}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * size]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * length for length in range(size - 3, size + 4) if length != size]
