"""Several rules input by input: each single response is one of them, as if it were drawn."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from indoubt.found.codes import matching_bits, miss_bits, missed_bits, symbol_bits
from indoubt.found.language import NO_SWITCH
from indoubt.found.library import LENGTHS, Library, Numbers, Rule
from indoubt.found.search import DIGITS

#: At most so many rules; the bits that say how many there are.
MOST_RULES, HOW_MANY = 3, 2
#: What a length that no rule gives costs, about: rules are chosen by it, the code then tells them exactly.
LENGTH_MISSED, FLAG = 4.0, 3.0


@dataclass(frozen=True)
class Mixture:
    """Rules and the bits of the responses that are told by them."""

    rules: list[Rule]
    total: float


def mixture(library: Library, responses: Numbers) -> Mixture:
    """Two or three rules that do not switch: the best, then what explains most of the rest; as many as is shortest."""
    counts = np.bincount(responses.ravel(), minlength=len(library.outputs.said)).astype(float)
    missed = _missed(library, responses) + FLAG
    rules: list[Rule] = []
    found: Mixture | None = None
    for _ in range(MOST_RULES):
        gains = counts[library.whole.said].sum(axis=1) * missed - library.whole.bits - NO_SWITCH
        rule = library.whole.rule(int(np.argmax(np.round(gains, DIGITS))), NO_SWITCH)
        counts[rule.said] = 0
        rules.append(rule)
        if len(rules) > 1:
            total = _code(library, responses, rules)
            if found is None or round(total, DIGITS) < round(found.total, DIGITS):
                found = Mixture(list(rules), total)
    assert found is not None
    return found


def given_by(rules: Sequence[Rule], responses: Numbers) -> Numbers:
    """(seeds, inputs): the place of the first rule that gives a response, -1 where none does."""
    equal = np.array([rule.said for rule in rules])[:, None, :] == responses[None]
    return np.where(equal.any(axis=0), equal.argmax(axis=0), -1)


def _missed(library: Library, responses: Numbers) -> float:
    """Bits of a response that no rule gives, on average."""
    if library.grammar == LENGTHS:
        return LENGTH_MISSED
    numbers, counts = np.unique(responses, return_counts=True)
    return float(np.average([miss_bits(library, int(number)) for number in numbers], weights=counts))


def _code(library: Library, responses: Numbers, rules: Sequence[Rule]) -> float:
    """Bits of the rules, of which responses are any's, of whose where they differ, and of the others, by the first."""
    which = given_by(rules, responses)
    bits = float(sum(rule.bits for rule in rules) + HOW_MANY)
    bits += float(matching_bits((which >= 0).sum(), responses.size))
    said = np.array([rule.said for rule in rules])
    alike: dict[tuple[int, ...], Numbers] = defaultdict(lambda: np.zeros(len(rules), dtype=np.int64))
    for column in range(responses.shape[1]):
        distinct = np.unique(said[:, column], return_inverse=True)[1]
        chosen = which[:, column]
        np.add.at(alike[tuple(distinct)], distinct[chosen[chosen >= 0]], 1)
    for pattern, counts in alike.items():
        n_distinct = len(set(pattern))
        bits += symbol_bits(counts[:n_distinct].astype(float)) if n_distinct > 1 else 0.0
    return bits + missed_bits(library, responses, said[0], which < 0)
