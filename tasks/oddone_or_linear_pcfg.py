"""Odd-one-out or Hierarchical, with wrapped strings of many depths in T (Wilson & Frank, GenBench 2023)."""

from __future__ import annotations

from indoubt.data.families.odd_one import least_frequent, middle, odd_everywhere, wrapped
from indoubt.data.task import Symbols, Task

#: Depths of T's strings by (centre, wrapper): ten draws each, as they were released.
DRAWN = {
    ("a", "a"): (1, 1, 0, 1, 1, 1, 0, 1, 8, 0),
    ("a", "b"): (1, 0, 0, 0, 3, 1, 0, 0, 1, 1),
    ("b", "a"): (0, 6, 1, 2, 0, 0, 1, 0, 1, 2),
    ("b", "b"): (2, 3, 0, 2, 1, 1, 0, 1, 2, 0),
}


class OddoneOrLinearPcfg(Task):
    """Forty training examples map a symbol, wrapped 0 to 8 deep, to itself. Is the rule "the centre" or "the odd one
    out"?

    T has `b a b -> a`, `a -> a` (repeatedly), `b b b a b b b -> a`, ...; "the fifth symbol" fits it no more. On the
    hold-out input `b a a a a`, `hierar` gives `a`, `oddone` gives `b`. H is tested as in oddone-or-linear, without T.
    """

    name = "oddone-or-linear-pcfg"
    sizes = (4,)
    block_size = 8
    candidates = {"hierar": middle, "oddone": least_frequent}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [wrapped(wrapper, centre, depth) for (centre, wrapper), depths in DRAWN.items() for depth in depths]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        trained = set(self.training_inputs(size))
        return [source for source in odd_everywhere() if source not in trained]
