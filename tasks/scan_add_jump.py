"""SCAN's question in commands of one clause: does a primitive compose that was only seen alone?"""

from __future__ import annotations

from indoubt.data.families.scan import clauses, compo, has_jump, mem, subst, substitutes
from indoubt.data.task import Symbols, Task


class ScanAddJump(Task):
    """All SCAN commands of one clause without `jump`, and `jump` alone. Do the others' ways of combining apply to it?

    T is `walk -> I_WALK`, `jump -> I_JUMP`, ... `run around left thrice -> ...`, 82 lines. On the hold-out input `jump
    twice`, `compo` gives `I_JUMP I_JUMP`, `mem` gives `I_JUMP` and `subst` gives `I_WALK I_WALK`. H holds the 20 other
    commands with `jump`. Its pair is scan-twice-thrice-jump, where `jump` is seen in most combinations.
    """

    name = "scan-add-jump"
    sizes = (1,)
    block_size = 4
    candidates = {"compo": compo, "mem": mem, "subst": subst}
    answers = {"substitutes": substitutes}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [command for command in clauses() if not has_jump(command)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [command for command in clauses() if has_jump(command)]
