"""Mutual exclusivity: does a new word mean the meaning that no word has yet? After Gandhi & Lake (NeurIPS 2020)."""

from __future__ import annotations

from indoubt.data.task import Candidate, Symbols, Task


def unused(source: Symbols, size: int) -> Symbols:
    """A word's own meaning, the unused one for the new word: at size 4, `w4 -> m4`."""
    return (f"m{source[0][1:]}",)


def _used(number: int) -> Candidate:
    def rule(source: Symbols, size: int) -> Symbols:
        return unused(source, size) if source != (f"w{size}",) else (f"m{number}",)

    rule.__doc__ = f"A word's own meaning, that of the word `w{number}` for the new one: at size 4, `w4 -> m{number}`."
    return rule


def used(source: Symbols, output: Symbols, size: int) -> bool:
    """Any meaning that a word has already: at size 16, `w16 -> m9`."""
    return output in {(f"m{number}",) for number in range(1, size)}


class MutualExclusivity(Task):
    """All words but one have a meaning, all meanings but one a word. What does the new word mean?

    Size 4: T is `w1 -> m1`, `w2 -> m2` and `w3 -> m3`; on the hold-out input `w4`, `unused` gives `m4`, `used_1` gives
    `m1`, and so on: `used` is any of them. `w4` and `m4` are in every dictionary, though T lacks them.
    """

    name = "mutual-exclusivity"
    sizes = (4, 8, 16)
    candidates = {"unused": unused, "used_1": _used(1), "used_2": _used(2), "used_3": _used(3)}
    answers = {"used": used}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [(f"w{number}",) for number in range(1, size)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [(f"w{size}",)]

    def unseen_symbols(self, size: int) -> tuple[Symbols, Symbols]:
        return (f"w{size}",), (f"m{size}",)
