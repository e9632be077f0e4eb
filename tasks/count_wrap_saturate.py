"""Count-Wrap-Saturate: what comes after the last length that was seen? After Chang & Bisk (ICLR 2025)."""

from __future__ import annotations

from indoubt.data.task import Symbols, Task


def count(source: Symbols, size: int) -> Symbols:
    """As many symbols as the input has: at size 5, seven `a` give seven `b`."""
    return ("b",) * len(source)


def wrap(source: Symbols, size: int) -> Symbols:
    """Counting begins anew after `size`: at size 5, seven `a` give two `b`."""
    return ("b",) * (len(source) if len(source) <= size else len(source) - size)


def saturate(source: Symbols, size: int) -> Symbols:
    """Never more than `size` symbols: at size 5, seven `a` give five `b`."""
    return ("b",) * min(len(source), size)


def third_rate(source: Symbols, size: int) -> Symbols | None:
    """At size 5, of longer inputs: one more symbol for every three more, rounded: eight `a` give six `b`."""
    return _slower(source, size, (2 * (len(source) - size) + 3) // 6)


def half_rate(source: Symbols, size: int) -> Symbols | None:
    """At size 5, of longer inputs: one more symbol for every two more, rounded up: eight `a` give 7 `b`."""
    return _slower(source, size, (len(source) - size + 1) // 2)


def half_rate_up(source: Symbols, size: int) -> Symbols | None:
    """At size 5, of longer inputs: one more symbol at once, then one for every two more: eight `a` give seven `b`."""
    return _slower(source, size, 1 + (len(source) - size) // 2)


def two_thirds_rate(source: Symbols, size: int) -> Symbols | None:
    """At size 5, of longer inputs: two more symbols for every three more, rounded: nine `a` give 8 `b`."""
    return _slower(source, size, (4 * (len(source) - size) + 3) // 6)


class CountWrapSaturate(Task):
    """The lengths 1 to `size` map to themselves. Does counting go on, begin anew, or stop at the longest that was seen?

    Size 5: T is `a -> b`, `a a -> b b`, ... `a a a a a -> b b b b b`; on the hold-out input of seven `a`, `count` gives
    seven `b`, `wrap` two and `saturate` five. H holds the lengths from `size` + 1 to 2 * `size` - 1.
    """

    name = "count-wrap-saturate"
    sizes = (5, 10, 20)
    candidates = {"count": count, "wrap": wrap, "saturate": saturate}
    further_rules = {
        "third_rate": third_rate,
        "half_rate": half_rate,
        "half_rate_up": half_rate_up,
        "two_thirds_rate": two_thirds_rate,
    }
    found_on = dict.fromkeys(further_rules, "1-48")

    def training_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * length for length in range(1, size + 1)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * length for length in range(size + 1, 2 * size)]


def _slower(source: Symbols, size: int, more: int) -> Symbols | None:
    return ("b",) * (size + more) if size == 5 and len(source) > size else None
