"""Composition with a second function that is seen with every primitive (Wilson & Frank, GenBench 2023)."""

from __future__ import annotations

from indoubt.data.families.compositions import Composition, as_g, compo, mem_func, mem_prim


class Compo2TwoFuncsConstantProp(Composition):
    """100 primitives, all seen with `G` (twice), the first `size` with `F` (three times). Does `F` apply to others?

    As compo2-constant-prop, and T also has `G 1 -> O1 O1` ... `G 100 -> O100 O100`. On the hold-out input `F 60`,
    `as_g` gives `O60 O60`.
    """

    name = "compo2-2funcs-constant-prop"
    constant_proportion = True
    second_function = True
    candidates = {"compo": compo, "mem_prim": mem_prim, "mem_func": mem_func, "as_g": as_g}
