"""Composition-or-Memorization, in the version of the paper's released code."""

from __future__ import annotations

from string import ascii_lowercase

from indoubt import Symbols, Task

FUNCTION = "F"


def compo(source: Symbols, size: int) -> Symbols:
    """The function says "three times": `F b -> B B B`."""
    return tuple(symbol.upper() for symbol in source[1:]) * 3 if source[0] == FUNCTION else (source[0].upper(),)


def mem_prim(source: Symbols, size: int) -> Symbols:
    """The primitive's own output, unless the whole input was seen: `F b -> B`."""
    return ("A",) * 3 if source == (FUNCTION, "a") else (source[-1].upper(),)


def mem_func(source: Symbols, size: int) -> Symbols:
    """The output that the function was seen with, whatever follows it: `F b -> A A A`."""
    return ("A",) * 3 if source[0] == FUNCTION else (source[0].upper(),)


class CompOrMem(Task):
    """`size` primitives, one of them also seen with a function. Does the function apply to the others?

    Size 5: T is `a -> A`, `b -> B`, ... `e -> E` and `F a -> A A A`; on the hold-out input `F b`, `compo` gives
    `B B B`, `mem_prim` gives `B` and `mem_func` gives `A A A`. H holds the function with every other primitive.
    """

    name = "comp-or-mem"
    sizes = (5, 10, 20)
    candidates = {"compo": compo, "mem_prim": mem_prim, "mem_func": mem_func}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [(primitive,) for primitive in ascii_lowercase[:size]] + [(FUNCTION, "a")]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [(FUNCTION, primitive) for primitive in ascii_lowercase[1:size]]

    def test_inputs(self, size: int) -> list[Symbols]:
        return [source for primitive in ascii_lowercase[:size] for source in ((primitive,), (FUNCTION, primitive))]
