"""Composition-or-Memorization with 40 primitives, as the paper has it (section 3 and its appendix).

From the paper, its reviews and the authors' replies: 40 primitives, M of them also shown with the function, the rules
comp and mem. From the released code's `comp-or-mem`: the function says "three times". Neither source gives the symbols,
their order, the block size (1 is the released code's default), nor which output `mem` gives (the primitive's own, as
`mem_prim` of the released code), nor that the table of the paper is at M = 6, 24, 36; these are this project's choice.
"""

from __future__ import annotations

from indoubt.data.task import Symbols, Task

FUNCTION, N_PRIMITIVES = "F", 40


def comp(source: Symbols, size: int) -> Symbols:
    """The function says "three times": `F p9 -> o9 o9 o9`."""
    return (f"o{source[-1][1:]}",) * (3 if source[0] == FUNCTION else 1)


def mem(source: Symbols, size: int) -> Symbols:
    """The primitive's own output, unless the whole input was seen: `F p9 -> o9`."""
    return comp(source, size) if int(source[-1][1:]) <= size else comp(source[-1:], size)


def mem_func(source: Symbols, output: Symbols, size: int) -> bool:
    """Any output that the function was seen with: at size 6, `F p9 -> o2 o2 o2`."""
    return output in {comp((FUNCTION, f"p{i}"), size) for i in range(1, size + 1)}


class CompOrMem40(Task):
    """40 primitives, the first `size` of them also seen with a function. Does the function apply to the others?

    Size 3: T is `p1 -> o1`, ... `p40 -> o40` and `F p1 -> o1 o1 o1`, `F p2 -> ...`, `F p3 -> o3 o3 o3`. On the hold-out
    input `F p9`, `comp` gives `o9 o9 o9` and `mem` gives `o9`. H holds the function with every other primitive. At size
    3 the code lengths per block are also the paper's curve over M: what the next composition costs after M of them.
    """

    name = "comp-or-mem-40"
    sizes = (3, 6, 24, 36)
    candidates = {"comp": comp, "mem": mem}
    answers = {"mem_func": mem_func}

    def training_inputs(self, size: int) -> list[Symbols]:
        primitives = [(f"p{i}",) for i in range(1, N_PRIMITIVES + 1)]
        return primitives + [(FUNCTION, f"p{i}") for i in range(1, size + 1)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [(FUNCTION, f"p{i}") for i in range(size + 1, N_PRIMITIVES + 1)]
