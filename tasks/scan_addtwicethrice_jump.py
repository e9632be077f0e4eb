"""SCAN without `jump ... twice` and `thrice`, as the critique has it (Wilson & Frank, GenBench 2023)."""

from __future__ import annotations

from indoubt.data.families.scan import ReplacedScanTask, repeats_jump
from indoubt.data.task import Symbols


class ScanAddtwicethriceJump(ReplacedScanTask):
    """All of SCAN, but `jump` is never seen with `twice` and `thrice`. Does it compose with them?

    T is all 20,910 commands, with `jump -> I_JUMP` in place of each of the 5,334 in which `jump` is done `twice` or
    `thrice`; these are H. On the hold-out input `jump left twice`, `compo` gives `I_TURN_LEFT I_JUMP I_TURN_LEFT
    I_JUMP`.
    """

    name = "scan-addtwicethrice-jump"

    def is_held_out(self, command: Symbols) -> bool:
        return repeats_jump(command)
