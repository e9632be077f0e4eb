"""SCAN with `jump` (Lake & Baroni, ICML 2018), for description lengths, as in the paper's appendix.

Which split, block size, batch size and number of updates the paper used is not known; its code draws batches example by
example with replacement (`batch_size`). The definition here is this project's.
"""

from __future__ import annotations

from indoubt.data.families.scan import JUMP, LargeScanTask, commands, compo, has_jump, mem, subst
from indoubt.data.task import Symbols

#: How often T has the bare command: a tenth of T's lines, as in SCAN's own split.
N_JUMP = 1467


class ScanJump(LargeScanTask):
    """All SCAN commands without `jump`, and `jump` alone. Do the others' ways of combining apply to it?

    T is `walk -> I_WALK`, ... `run twice and look -> I_RUN I_RUN I_LOOK`, ... (13,203 lines) and `jump -> I_JUMP` 1,467
    times. On the hold-out input `jump twice`, `compo` gives `I_JUMP I_JUMP`, `mem` gives `I_JUMP` and `subst` gives
    `I_WALK I_WALK`; with any other action in its place the output is one that `substitutes`. H holds the 7,706 other
    commands with `jump`; 64 of them are sent. The fit is checked on 100 commands of T.
    """

    name = "scan-jump"
    candidates = {"compo": compo, "mem": mem, "subst": subst}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [command for command in commands() if "jump" not in command] + [JUMP] * N_JUMP

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [command for command in commands() if has_jump(command)]
