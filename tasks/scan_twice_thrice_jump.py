"""SCAN's question in commands of one clause: does a primitive compose in a new way that composes in others?"""

from __future__ import annotations

from indoubt.data.families.scan import clauses, compo, meaning, repeats_jump, substituted, substitutes
from indoubt.data.task import Symbols, Task


def mem(command: Symbols, size: int) -> Symbols:
    """The longest part of the command that was seen: `jump left twice` as `jump left`."""
    return meaning(command[:-1] if repeats_jump(command) else command)


def subst(command: Symbols, size: int) -> Symbols:
    """As if `walk` stood for `jump`, unless the command was seen: `jump twice -> I_WALK I_WALK`."""
    return substituted(command, "walk") if repeats_jump(command) else meaning(command)


class ScanTwiceThriceJump(Task):
    """All SCAN commands of one clause but `jump ... twice` and `thrice`. Does `twice` apply to `jump` all the same?

    T is `jump -> I_JUMP`, `jump left -> I_TURN_LEFT I_JUMP`, `walk twice -> I_WALK I_WALK`, ..., 88 lines. On the
    hold-out input `jump twice`, `compo` gives `I_JUMP I_JUMP`, `mem` gives `I_JUMP` and `subst` gives `I_WALK I_WALK`.
    H holds the 14 commands left out.
    """

    name = "scan-twice-thrice-jump"
    sizes = (1,)
    block_size = 2
    candidates = {"compo": compo, "mem": mem, "subst": subst}
    answers = {"substitutes": substitutes}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [command for command in clauses() if not repeats_jump(command)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [command for command in clauses() if repeats_jump(command)]
