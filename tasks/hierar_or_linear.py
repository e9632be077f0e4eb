"""Hierarchical-or-Linear (paper, section 3)."""

from __future__ import annotations

from indoubt import Symbols, Task

#: (wrapper, centre), in the order in which examples are written.
SHAPES = (("a", "a"), ("b", "a"), ("a", "b"), ("b", "b"))


def wrapped(wrapper: str, centre: str, depth: int) -> Symbols:
    """A centre symbol between `depth` wrappers on each side: `("a", "b", 2)` is `a a b a a`."""
    return (*(wrapper,) * depth, centre, *(wrapper,) * depth)


def hierar(source: Symbols, size: int) -> Symbols:
    """The symbol at the centre: `a a b a a -> b`."""
    return (source[len(source) // 2],)


def linear(source: Symbols, size: int) -> Symbols:
    """The symbol at the position of T's centre, the (`size` + 1)-th: at size 4, `a a b a a -> a`."""
    return (source[size],)


class HierarOrLinear(Task):
    """Four training examples map a symbol wrapped `size` deep to itself. Is the rule "the centre" or "the n-th"?

    Size 4: T is `a a a a b a a a a -> b` and the three other pairs of wrapper and centre; on the hold-out input
    `a a b a a`, `hierar` gives `b` and `linear`, the fifth symbol, gives `a`. Inputs whose centre equals their
    wrapper cannot tell the two apart: half of H. H holds the depths within 2 of `size`, sent in blocks of four.
    """

    name = "hierar-or-linear"
    sizes = (4,)
    block_size = 4
    candidates = {"hierar": hierar, "linear": linear}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [wrapped(wrapper, centre, size) for wrapper, centre in SHAPES]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        depths = [depth for depth in range(size - 2, size + 3) if depth != size]
        return [wrapped(wrapper, centre, depth) for depth in depths for wrapper, centre in SHAPES]
