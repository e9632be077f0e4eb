"""How much of a code length is measured, and in which blocks: the first block, a race between rules, or all.

A code is a sum of blocks' bits, none of them negative, so what is known of it bounds the whole from below. In a race
the rule with the shortest code so far goes on until its code is complete; every other one is then at least as long.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

#: How much of it: the first block, which T's training gives; enough to know the shortest code; all.
Codes = Literal["first", "race", "full"]
FIRST, RACE, FULL = "first", "race", "full"
#: The blocks: the task's own, or ever larger ones, each trained on as many of the task's as all before it together.
Blocks = Literal["task", "doubling"]
TASK, DOUBLING = "task", "doubling"
_WORDS = {FIRST: "by the first block", RACE: "raced", FULL: ""}


@dataclass(frozen=True)
class CodeKind:
    """How code lengths are measured; codes of different kinds are never put together."""

    codes: Codes = "full"
    blocks: Blocks = "task"

    def trained(self, n_blocks: int) -> list[int]:
        """After how many of a seed's hold-out blocks a learner is trained; each scores all blocks up to the next one's.

        Of 20 blocks: 0 to 19; where they double 0, 1, 2, 4, 8 and 16; for the first block 0 alone.
        """
        if self.codes == FIRST or n_blocks < 2:
            return [0]
        if self.blocks == TASK:
            return list(range(n_blocks))
        return [0, *itertools.takewhile(lambda n: n < n_blocks, (2**power for power in itertools.count()))]

    @property
    def words(self) -> str:
        """How a code was measured, in words: `raced, in blocks that double`; empty for the paper's own way."""
        said = [_WORDS[self.codes], "in blocks that double" if self.blocks == DOUBLING and self.codes != FIRST else ""]
        return ", ".join(each for each in said if each)

    def __str__(self) -> str:
        return f"codes: {self.codes}, blocks: {self.blocks}"


#: All of a code, in the task's own blocks.
THE_PAPERS = CodeKind()


@dataclass(frozen=True)
class Race:
    """Where a seed's race stands: how many parts of each rule's code take part, and which parts it needs next.

    A part is what one training scores. Nothing is needed once the shortest code is complete.
    """

    parts: dict[str, int]
    needed: tuple[tuple[str, int], ...] = ()


def race(rules: Sequence[str], n_parts: int, known: Callable[[str, int], float | None]) -> Race:
    """Extend the shortest code so far until it is complete.

    Args:
        rules: in the task's order, which decides between codes that are equal so far.
        n_parts: of a complete code.
        known: the length of a part of a rule's code; infinite where its training diverged, which ends that rule's race;
            None where it is not known yet.
    """
    first = {rule: known(rule, 0) for rule in rules}
    missing = tuple((rule, 0) for rule, length in first.items() if length is None)
    if missing:
        return Race(dict.fromkeys(rules, 1), missing)
    parts = dict.fromkeys(rules, 1)
    lengths = {rule: length for rule, length in first.items() if length is not None and math.isfinite(length)}
    while lengths:
        leader = min(lengths, key=lambda rule: lengths[rule])
        if parts[leader] == n_parts:
            break
        length = known(leader, parts[leader])
        parts[leader] += 1
        if length is None:
            return Race(parts, ((leader, parts[leader] - 1),))
        if math.isfinite(length):
            lengths[leader] += length
        else:
            del lengths[leader]
    return Race(parts)
