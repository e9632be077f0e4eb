"""Several rules, each seed with its own: how many kinds of seeds are there, and what does each kind do?"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from indoubt.found.codes import rule_code
from indoubt.found.library import Library, Numbers, Rule
from indoubt.found.search import DIGITS, Best, best

#: At most so many kinds of seeds, found anew at most so many times.
MOST_RULES, MOST_ROUNDS = 4, 6
#: Kinds begin at the response vectors that most seeds give, at most so many.
MOST_VECTORS = 200


@dataclass(frozen=True)
class Split:
    """Rules and the bits of the responses that are told by them, each seed by the one that it is nearest to."""

    rules: list[Rule]
    total: float


def nearest_rule(rules: Sequence[Rule], responses: Numbers) -> Numbers:
    """For each seed the place of the rule that gives most of its outputs, the first of equals."""
    return np.asarray(_matches(rules, responses).argmax(axis=1))


def split(library: Library, responses: Numbers, one: Best) -> Split:
    """One to four rules with the shortest code; `one` is the best alone."""
    found = Split([one.rule], one.total)
    for n_rules in range(2, min(MOST_RULES, len({row.tobytes() for row in responses})) + 1):
        rules = _kinds(library, responses, _apart(responses, n_rules))
        total = _code(library, responses, rules)
        if round(total, DIGITS) < round(found.total, DIGITS):
            found = Split(rules, total)
    return found


def _matches(rules: Sequence[Rule], responses: Numbers) -> Numbers:
    """(seeds, rules): how many outputs of a seed are a rule's."""
    return np.array([(responses == rule.said).sum(axis=1) for rule in rules]).T


def _code(library: Library, responses: Numbers, rules: Sequence[Rule]) -> float:
    """Bits of rules, of which seed has which, and of the responses."""
    said = np.array([rule.said for rule in rules])[nearest_rule(rules, responses)]
    which = len(responses) * math.log2(len(rules))
    return rule_code(library, responses, said, sum(rule.bits for rule in rules) + which)


def _apart(responses: Numbers, n_kinds: int) -> Numbers:
    """To which of so many frequent response vectors, chosen so that all seeds are near to one, each seed is nearest."""
    seen = Counter(map(tuple, responses.tolist()))
    vectors = np.array([row for row, _ in sorted(seen.items(), key=lambda each: (-each[1], each[0]))][:MOST_VECTORS])
    apart = np.array([(responses != vector).sum(axis=1) for vector in vectors]).T
    chosen = [0]
    nearest = apart[:, 0]
    while len(chosen) < n_kinds:
        chosen.append(int(np.maximum(nearest[:, None] - apart, 0).sum(axis=0).argmax()))
        nearest = np.minimum(nearest, apart[:, chosen[-1]])
    return np.asarray(apart[:, chosen].argmin(axis=1))


def _kinds(library: Library, responses: Numbers, kinds: Numbers) -> list[Rule]:
    """The best rule of each kind of seeds, and again once each seed is of the kind whose rule it is nearest to."""
    rules: list[Rule] = []
    for _ in range(MOST_ROUNDS):
        found = [best(library, responses[kinds == kind]).rule for kind in np.unique(kinds)]
        rules = list({rule.key: rule for rule in reversed(found)}.values())[::-1]
        moved = nearest_rule(rules, responses)
        if (moved == kinds).all():
            break
        kinds = moved
    return rules
