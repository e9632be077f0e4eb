"""Count-or-Memorization (paper, section 3)."""

from __future__ import annotations

from indoubt import Symbols, Task


def count(source: Symbols, size: int) -> Symbols:
    """As many `b` as there are `a`: `a a a -> b b b`."""
    return ("b",) * len(source)


def mem(source: Symbols, size: int) -> Symbols:
    """The training output, whatever the input: `a a a -> b ... b`, `size` of them."""
    return ("b",) * size


def total(source: Symbols, size: int) -> Symbols:
    """The output ends where T's whole sequence ended: at size 10, three `a` give 17 `b`."""
    return ("b",) * (2 * size - len(source))


class CountOrMem(Task):
    """One training example maps `size` symbols to as many others. Is the rule "as many" or "always `size`"?

    Size 10: T is `a a a a a a a a a a -> b b b b b b b b b b`; on the hold-out input `a a`, `count` gives `b b` and
    `mem` gives ten `b`. H holds all lengths within 10 of `size`, so that at size 10 it has an empty input.
    """

    name = "count-or-mem"
    sizes = (10, 20, 30, 40)
    candidates = {"count": count, "mem": mem}
    further_rules = {"total": total}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * size]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * length for length in range(size - 10, size + 11) if length != size]
