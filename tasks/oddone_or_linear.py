"""Odd-one-out, Hierarchical or Linear (Wilson & Frank, GenBench 2023): the critique of `hierar-or-linear`."""

from __future__ import annotations

from indoubt.data.families.odd_one import SHAPES, five_or_eleven, least_frequent, middle, nth, odd_everywhere, wrapped
from indoubt.data.task import Symbols, Task


class OddoneOrLinear(Task):
    """Four training examples map a symbol wrapped `size` deep to itself. Is the rule "the centre", "the n-th" or "the
    odd one out"?

    Size 4: T is that of hierar-or-linear, `a a a a b a a a a -> b` and the three other pairs of wrapper and centre. On
    the hold-out input `b a a a a`, `hierar` and `linear` (the fifth symbol) give `a`, `oddone` gives `b`. H holds the
    strings of length 5, 7, 9, 11 and 13 with the odd symbol at each place, and the uniform ones, as far as T lacks
    them.
    """

    name = "oddone-or-linear"
    sizes = (4,)
    block_size = 8
    candidates = {"hierar": middle, "linear": nth, "oddone": least_frequent}
    further_rules = {"five_or_eleven": five_or_eleven}
    found_on = {"five_or_eleven": "1-48"}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [wrapped(wrapper, centre, size) for wrapper, centre in SHAPES]

    def test_inputs(self, size: int) -> list[Symbols]:
        return odd_everywhere()

    def holdout_inputs(self, size: int) -> list[Symbols]:
        trained = set(self.training_inputs(size))
        return [source for source in self.test_inputs(size) if source not in trained]
