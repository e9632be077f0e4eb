"""Count-Wrap-Saturate: what comes after the last length that was seen? After Chang & Bisk (ICLR 2025)."""

from __future__ import annotations

from doubt.data.task import Symbols, Task


def count(source: Symbols, size: int) -> Symbols:
    """As many symbols as the input has: at size 5, seven `a` give seven `b`."""
    return ("b",) * len(source)


def wrap(source: Symbols, size: int) -> Symbols:
    """Counting begins anew after `size`: at size 5, seven `a` give two `b`."""
    return ("b",) * (len(source) if len(source) <= size else len(source) - size)


def saturate(source: Symbols, size: int) -> Symbols:
    """Never more than `size` symbols: at size 5, seven `a` give five `b`."""
    return ("b",) * min(len(source), size)


class CountWrapSaturate(Task):
    """The lengths 1 to `size` map to themselves. Does counting go on, begin anew, or stop at the longest that was seen?

    Size 5: T is `a -> b`, `a a -> b b`, ... `a a a a a -> b b b b b`; on the hold-out input of seven `a`, `count` gives
    seven `b`, `wrap` two and `saturate` five. H holds the lengths from `size` + 1 to 2 * `size` - 1.
    """

    name = "count-wrap-saturate"
    sizes = (5, 10, 20)
    candidates = {"count": count, "wrap": wrap, "saturate": saturate}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * length for length in range(1, size + 1)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * length for length in range(size + 1, 2 * size)]
