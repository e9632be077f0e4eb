"""Composition with held-out primitives (Wilson & Frank, GenBench 2023): the critique of `comp-or-mem`."""

from __future__ import annotations

from indoubt.data.families.compositions import Composition


class Compo2(Composition):
    """100 primitives, of which the first `size` are also seen with a function. Does it apply to the last fifty?

    Size 6: T is `1 -> O1`, `F 1 -> O1 O1 O1`, `2 -> O2`, ... `F 6 -> O6 O6 O6`, `7 -> O7`, ... `100 -> O100`. On the
    hold-out input `F 60`, `compo` gives `O60 O60 O60`, `mem_prim` gives `O60` and `mem_func` gives `O1 O1 O1`; an
    output that the function was seen with is `trained`. H is `F 51` ... `F 100` at every size.
    """

    name = "compo2"
