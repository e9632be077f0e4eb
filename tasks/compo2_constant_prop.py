"""Composition with held-out primitives and a constant share of compositions (Wilson & Frank, GenBench 2023)."""

from __future__ import annotations

from indoubt.data.families.compositions import Composition


class Compo2ConstantProp(Composition):
    """100 primitives, of which the first `size` are seen with a function in 36 of 136 lines. Does it apply to others?

    As compo2, but a line such as `F 1 -> O1 O1 O1` stands in T 36 / `size` times (at size 24 twice for `F 1`, `F 3`,
    ... and once for `F 2`, `F 4`, ...), so that sizes differ in how many compositions there are and not in how often.
    """

    name = "compo2-constant-prop"
    constant_proportion = True
