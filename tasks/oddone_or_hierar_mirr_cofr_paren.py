"""Odd-one-out or Hierarchical on mirror strings with brackets, two strings of each of five depths
(Wilson & Frank, GenBench 2023)."""

from __future__ import annotations

from indoubt.data.families.odd_one import MirrorTask


class OddoneOrHierarMirrCofrParen(MirrorTask):
    """Forty palindromes map to the letter at their centre, which is also the rarer one. Which of the two is the rule?

    T, of which the authors drew ten strings for each pair of centre and wrapper, has `[ b [ a ] b ] -> a` and so on,
    some repeatedly. On the hold-out input `[ a [ b [ b ] b ] a ]`, `hierar` gives `b` and `oddone` gives `a`: on all of
    H's 60 palindromes the centre is the more frequent letter. Rules count letters only. The depths are 1, 3, 4, 6 and
    7, so that this T is no bracketed copy of the other.
    """

    name = "oddone-or-hierar-mirr-cofr-paren"
    brackets = True
    uniform = ("1 1 3 3 4 4 6 6 7 7", "1 1 3 3 4 4 6 6 7 7")
    mixed = (
        "b b bbb bba bbba bbab bababb bbabab aaabbbb babbaab",
        "a a aaa aab aaba abaa baaaab baaaaa aaaabba aababba",
    )
