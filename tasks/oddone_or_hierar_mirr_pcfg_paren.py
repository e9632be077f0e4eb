"""Odd-one-out or Hierarchical on mirror strings with brackets, depths drawn from a probabilistic grammar
(Wilson & Frank, GenBench 2023)."""

from __future__ import annotations

from indoubt.data.families.odd_one import MirrorTask


class OddoneOrHierarMirrPcfgParen(MirrorTask):
    """Forty palindromes map to the letter at their centre, which is also the rarer one. Which of the two is the rule?

    T, of which the authors drew ten strings for each pair of centre and wrapper, has `[ b ] -> b`, `[ b [ a ] b ] -> a`
    and so on, some repeatedly. On the hold-out input `[ a [ b [ b ] b ] a ]`, `hierar` gives `b` and `oddone` gives
    `a`: on all of H's 60 palindromes the centre is the more frequent letter. Rules count letters only.
    """

    name = "oddone-or-hierar-mirr-pcfg-paren"
    brackets = True
    uniform = ("4 0 1 0 0 0 0 2 0 0", "0 0 0 2 0 3 0 0 1 0")
    mixed = (
        "bb b b b b b b bb b bb",
        "a aab a a aaab aa aa a aa a",
    )
