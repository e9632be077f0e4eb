"""How many bits it takes to tell what seeds output, with a rule and without one.

A rule costs its own bits, which responses are its (a Krichevsky-Trofimov code over all of them), and the outputs where
they are not. Rules are never judged by this code alone: docs/found-rules.md has the conditions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import betaln, gammaln

from indoubt.found.language import gamma
from indoubt.found.library import LENGTHS, SYMBOLS, Bits, Flags, Library, Numbers


@cache
def _matching(of: int) -> Bits:
    """Bits that say which responses of so many are a rule's, for 0, 1, ... that are.

    As if half were where fewer are: else a rule would gain by being wrong throughout.
    (R. Krichevsky and V. Trofimov, IEEE Transactions on Information Theory 27, 1981)
    """
    matches = np.maximum(np.arange(of + 1), of / 2)
    return np.asarray(-(betaln(matches + 0.5, of - matches + 0.5) - betaln(0.5, 0.5)) / math.log(2))


def matching_bits(matches: Numbers, of: int) -> Bits:
    """Bits that say which of so many responses are a rule's."""
    return np.asarray(_matching(of)[matches])


def spelled(library: Library, length: int) -> float:
    """Bits that spell an output of a length."""
    if library.grammar == LENGTHS:
        return 1.0 + gamma(length + 1)
    return (length + 1) * math.log2(library.n_letters + 1)


def miss_bits(library: Library, number: int) -> float:
    """Bits that tell an output which a rule has not given; of two letters it can only be the other."""
    output = library.outputs.said[number]
    letters = library.n_letters == 2 and library.grammar == SYMBOLS
    return 0.0 if letters and len(output) == 1 else spelled(library, len(output))


@dataclass(frozen=True)
class Tally:
    """Responses counted: for each output's number how many there are, and the bits of those that it misses."""

    n_seeds: int
    counts: Numbers
    missed: Bits


def tally(library: Library, responses: Numbers) -> Tally:
    """What the responses (seeds, inputs) of some seeds are."""
    n_outputs = len(library.outputs.said)
    counts = np.bincount(responses.ravel(), minlength=n_outputs)
    places = np.array(library.outputs.places)
    if library.grammar == LENGTHS:
        missed = np.zeros(n_outputs)
        lengths = np.array([len(output) for output in library.outputs.said])
        for number in np.flatnonzero(counts):
            there = np.flatnonzero(places == places[number])
            missed[there] += counts[number] * _off_by(np.abs(lengths[there] - lengths[number]))
    else:
        own = np.zeros(n_outputs)
        for number in np.flatnonzero(counts):
            own[number] = counts[number] * miss_bits(library, int(number))
        missed = np.bincount(places, weights=own, minlength=len(library.inputs))[places] - own
    return Tally(len(responses), counts, missed)


def _off_by(differences: Numbers) -> Bits:
    """Bits that tell a length by how far off it is; none where it is not."""
    exact = np.maximum(differences, 1)
    bits = 1.0 + (2 * np.floor(np.log2(exact)) + 1)
    return np.where(differences == 0, 0.0, bits)


def rule_code(library: Library, responses: Numbers, said: Numbers, bits: float) -> float:
    """Bits of the responses of some seeds, told by one rule or, `said` being (seeds, inputs), each seed by its own."""
    hit = responses == said
    return bits + float(matching_bits(hit.sum(), responses.size)) + missed_bits(library, responses, said, ~hit)


def missed_bits(library: Library, responses: Numbers, said: Numbers, where: Flags) -> float:
    """Bits of responses that are not what a rule said, where (seeds, inputs) that is so."""
    if library.grammar == LENGTHS:
        lengths = np.array([len(output) for output in library.outputs.said])
        return float(_off_by(np.abs(lengths[responses] - lengths[said]))[where].sum())
    return float(sum(miss_bits(library, int(number)) for number in responses[where]))


def shares_bits(counts: Numbers) -> float:
    """Bits of a sequence in which things occur so often: adaptive, each begun with half an occurrence."""
    seen = counts[counts > 0].astype(float)
    return symbol_bits(seen) if len(seen) else 0.0


def symbol_bits(counts: Bits) -> float:
    """As `shares_bits`, of things that may not occur."""
    start = 0.5
    bits = gammaln(len(counts) * start) - gammaln(counts.sum() + len(counts) * start)
    return float(-(bits + (gammaln(counts + start) - gammaln(start)).sum()) / math.log(2))


def base_code(library: Library, responses: Numbers) -> float:
    """Bits of the responses if outputs have nothing to do with inputs.

    The shorter of two codes: adaptive over all outputs that occur, or T's outputs equally likely and others spelled.
    """
    of_t = list(dict.fromkeys(library.training.values()))
    counted: dict[tuple[str, ...], int] = {}
    for number, count in zip(*np.unique(responses, return_counts=True), strict=True):
        output = library.outputs.said[number]
        counted[output] = counted.get(output, 0) + int(count)
    name = 1 + math.log2(len(of_t))
    named = sum(name if output in of_t else 1 + spelled(library, len(output)) for output in counted)
    adaptive = named + shares_bits(np.array(list(counted.values())))
    exceptions = {output: count for output, count in counted.items() if output not in of_t}
    n_others = sum(exceptions.values())
    even = float(matching_bits(np.array(responses.size - n_others), responses.size))
    even += (responses.size - n_others) * math.log2(len(of_t))
    even += sum(count * spelled(library, len(output)) for output, count in exceptions.items())
    return min(adaptive, even)
