"""Odd-one-out or Hierarchical on mirror strings with two strings of each depth from 1 to 5
(Wilson & Frank, GenBench 2023)."""

from __future__ import annotations

from indoubt.data.families.odd_one import MirrorTask


class OddoneOrHierarMirrCofr(MirrorTask):
    """Forty palindromes map to the letter at their centre, which is also the rarer one. Which of the two is the rule?

    T, of which the authors drew ten strings for each pair of centre and wrapper, has `b a b -> a`, `b b a b b -> a` and
    so on, some repeatedly. On the hold-out input `a b b b a`, `hierar` gives `b` and `oddone` gives `a`: on all of H's
    60 palindromes the centre is the more frequent letter.
    """

    name = "oddone-or-hierar-mirr-cofr"
    uniform = ("1 1 2 2 3 3 4 4 5 5", "1 1 2 2 3 3 4 4 5 5")
    mixed = (
        "b b bb bb abb bba babb bbbb bbbab abbba",
        "a a aa aa baa baa aaba aaba abaaa bbaaa",
    )
