"""Compositions of 100 primitives with functions, held out from the 51st on (Wilson & Frank, GenBench 2023).

The held-out primitives are never seen with the function, at any size, and T's inputs are not part of the test: where
the released `comp-or-mem` grows, T and H grow together.
"""

from __future__ import annotations

from typing import ClassVar

from indoubt.data.task import Symbols, Task

N_PRIMITIVES, FIRST_HELD_OUT = 100, 51
#: Lines with the function in T where their number is the same at all sizes.
N_LINES = 36
TIMES = {"F": 3, "G": 2}


def meaning(primitive: str) -> str:
    """The output symbol of a primitive: `17` is `O17`."""
    return f"O{primitive}"


def compo(source: Symbols, size: int) -> Symbols:
    """The function says how often: `F 60 -> O60 O60 O60`, `G 60 -> O60 O60`, `60 -> O60`."""
    return (meaning(source[-1]),) * (TIMES[source[0]] if len(source) > 1 else 1)


def _seen(source: Symbols, size: int) -> bool:
    return source[0] != "F" or int(source[-1]) <= size


def mem_prim(source: Symbols, size: int) -> Symbols:
    """The primitive's own output, unless the whole input was seen: `F 60 -> O60`."""
    return compo(source, size) if _seen(source, size) else (meaning(source[-1]),)


def mem_func(source: Symbols, size: int) -> Symbols:
    """The first output that the function was seen with, unless the whole input was seen: `F 60 -> O1 O1 O1`."""
    return compo(source, size) if _seen(source, size) else (meaning("1"),) * TIMES["F"]


def as_g(source: Symbols, size: int) -> Symbols:
    """As with the other function, unless the whole input was seen: `F 60 -> O60 O60`."""
    return compo(source, size) if _seen(source, size) else (meaning(source[-1]),) * TIMES["G"]


def trained(source: Symbols, output: Symbols, size: int) -> bool:
    """Any output that the function was seen with: at size 6, `F 60 -> O5 O5 O5`."""
    return output in {compo(("F", str(i)), size) for i in range(1, size + 1)}


class Composition(Task):
    """What the three tasks share; their sizes are how many primitives are seen with the function."""

    sizes = (1, 6, 24, 36)
    block_size = 10
    candidates = {"compo": compo, "mem_prim": mem_prim, "mem_func": mem_func}
    answers = {"trained": trained}
    constant_proportion: ClassVar[bool] = False
    second_function: ClassVar[bool] = False

    def training_inputs(self, size: int) -> list[Symbols]:
        inputs: list[Symbols] = []
        for number in range(1, N_PRIMITIVES + 1):
            primitive = str(number)
            inputs.append((primitive,))
            if self.second_function:
                inputs.append(("G", primitive))
            if number <= size:
                inputs += [("F", primitive)] * self._times_written(number, size)
        return inputs

    def _times_written(self, number: int, size: int) -> int:
        """How often a line with the function stands in T: as often as gives `N_LINES` of them, the first ones more."""
        if not self.constant_proportion:
            return 1
        return N_LINES // size + (number % 2 if N_LINES % size else 0)

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("F", str(number)) for number in range(FIRST_HELD_OUT, N_PRIMITIVES + 1)]
