"""Add-or-Multiply (paper, section 3)."""

from __future__ import annotations

from indoubt import Symbols, Task


def add(source: Symbols, size: int) -> Symbols:
    """`size` more symbols than the input has: at size 5, `a a a -> b b b b b b b b`."""
    return ("b",) * (len(source) + size)


def mul(source: Symbols, size: int) -> Symbols:
    """Twice as many symbols as the input has: `a a a -> b b b b b b`."""
    return ("b",) * (2 * len(source))


def mem(source: Symbols, size: int) -> Symbols:
    """The training output, whatever the input: twice as many symbols as its input."""
    return ("b",) * (2 * size)


def total(source: Symbols, size: int) -> Symbols:
    """The output ends where T's whole sequence ended: at size 5, three `a` give 12 `b`."""
    return ("b",) * (3 * size - len(source))


def twice_less_capped(source: Symbols, size: int) -> Symbols | None:
    """At size 5 never more than in T, and of shorter inputs two less for each symbol less, from three more on: three
    `a` give nine `b`.
    """
    return ("b",) * min(2 * size, 2 * len(source) + 3) if size == 5 else None


def half_less_total(source: Symbols, size: int) -> Symbols | None:
    """At size 5 one less than in T for each symbol more; of shorter inputs one more at once, then one for every two
    less: three `a` give twelve `b`, seven give eight.
    """
    if size != 5:
        return None
    below = size - len(source)
    return ("b",) * (2 * size + below if below <= 0 else 2 * size + 1 + below // 2)


def interpolate(source: Symbols, output: Symbols, size: int) -> bool:
    """Some length from what adding gives to what multiplying gives: at size 5, three `a` give 6, 7 or 8 `b`."""
    bounds = len(add(source, size)), len(mul(source, size))
    return set(output) <= {"b"} and min(bounds) <= len(output) <= max(bounds)


class AddOrMul(Task):
    """One training example maps `size` symbols to twice that. Is the rule "`size` more", "twice" or "always that many"?

    Size 5: T is `a a a a a -> b b b b b b b b b b`; on the hold-out input `a a a`, `add` gives eight `b`, `mul` six
    and `mem` ten. H holds all lengths within 3 of `size`.
    """

    name = "add-or-mul"
    sizes = (5, 10, 15, 20)
    candidates = {"add": add, "mul": mul, "mem": mem}
    further_rules = {"total": total, "twice_less_capped": twice_less_capped, "half_less_total": half_less_total}
    found_on = {"twice_less_capped": "1-48", "half_less_total": "1-48"}
    answers = {"interpolate": interpolate}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * size]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * length for length in range(size - 3, size + 4) if length != size]
