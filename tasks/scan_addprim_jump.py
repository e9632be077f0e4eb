"""SCAN's split "add jump", as the critique has it (Wilson & Frank, GenBench 2023)."""

from __future__ import annotations

from indoubt.data.families.scan import ReplacedScanTask, has_jump, mem, subst
from indoubt.data.task import Symbols


class ScanAddprimJump(ReplacedScanTask):
    """All of SCAN, but `jump` is seen alone only, as often as it would be in combinations. Does it compose?

    T is all 20,910 commands, with `jump -> I_JUMP` in place of each of the 7,706 others that have `jump`; these are H.
    On the hold-out input `jump twice`, `compo` gives `I_JUMP I_JUMP`; of further rules `mem` gives `I_JUMP` and `subst`
    gives `I_WALK I_WALK`.
    """

    name = "scan-addprim-jump"
    further_rules = {"mem": mem, "subst": subst}

    def is_held_out(self, command: Symbols) -> bool:
        return has_jump(command)
