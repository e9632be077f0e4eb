"""Odd-one-out or Hierarchical on mirror strings with depths drawn from a probabilistic grammar
(Wilson & Frank, GenBench 2023)."""

from __future__ import annotations

from indoubt.data.families.odd_one import MirrorTask


class OddoneOrHierarMirrPcfg(MirrorTask):
    """Forty palindromes map to the letter at their centre, which is also the rarer one. Which of the two is the rule?

    T, of which the authors drew ten strings for each pair of centre and wrapper, has `b -> b`, `b a b -> a`, `b a b a b
    a b -> a` and so on, some repeatedly. On the hold-out input `a b b b a`, `hierar` gives `b` and `oddone` gives `a`:
    on all of H's 60 palindromes the centre is the more frequent letter.
    """

    name = "oddone-or-hierar-mirr-pcfg"
    uniform = ("0 2 0 4 0 0 0 1 0 4", "0 0 0 5 1 4 3 1 3 1")
    mixed = (
        "b b b b bb bab b babbbbab bbb b",
        "a a a a a baa aab a a a",
    )
