"""Kinds of outputs that need no program: T's own, the input's symbols in some order, the longest there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from indoubt.data.task import Symbols
from indoubt.found.library import LENGTHS, SEQUENCES, Bits, Library, Numbers

#: The share of a cell's answers that must be of a kind.
SHARE = 0.9
#: Symbols at which decoding stops. (fairseq/sequence_generator.py: max_len_b)
CUT_OFF = 200


@dataclass(frozen=True)
class Kind:
    """A kind of outputs in words and in short, and the share of each seed's outputs that are of it."""

    words: str
    short: str
    shares: Bits


def best_kind(library: Library, responses: Numbers) -> Kind | None:
    """The first kind that `SHARE` of the responses are of, of those that say something for the task."""
    of_t = set(library.training.values())
    lengths = {len(source) for source in library.inputs}
    kinds: list[tuple[bool, str, str, Callable[[Symbols, Symbols], bool]]] = [
        (
            library.grammar == LENGTHS,
            "cut off at the longest output there is",
            "cut off",
            lambda _, o: len(o) >= CUT_OFF,
        ),
        (
            len(of_t) > 1 and library.grammar in (LENGTHS, SEQUENCES),
            "one of T's outputs",
            "one of T's",
            lambda _, output: output in of_t,
        ),
        (
            library.grammar == SEQUENCES,
            "the input's symbols in some order",
            "reordered",
            lambda source, output: sorted(source) == sorted(output),
        ),
        (
            library.grammar == SEQUENCES and len(lengths) > 1,
            "as long as the input",
            "input's length",
            lambda source, output: len(source) == len(output),
        ),
    ]
    for applies, words, short, holds in kinds:
        if applies:
            shares = of_kind(library, responses, holds).mean(axis=1)
            if shares.mean() >= SHARE:
                return Kind(words, short, shares)
    return None


def of_kind(library: Library, responses: Numbers, holds: Callable[[Symbols, Symbols], bool]) -> Numbers:
    """(seeds, inputs): whether a response is of a kind, which is told of source and output."""
    outputs, places = library.outputs.said, library.outputs.places
    numbers = np.array([holds(library.inputs[place], output) for output, place in zip(outputs, places, strict=True)])
    return numbers[responses]
