"""The rule that tells what some seeds output in the fewest bits, of all there are: no heuristics, no randomness.

Or several rules: each seed with its own (how many kinds of seeds are there, and what does each do?), or input by input,
where each single response is one of them, as if it were drawn.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from indoubt.found.codes import Tally, matching_bits, miss_bits, missed_bits, rule_code, symbol_bits, tally
from indoubt.found.language import NO_SWITCH, SWITCH, TWO_SIDES
from indoubt.found.library import LENGTHS, Bits, Flags, Library, Numbers, Programs, Rule

#: Totals that differ by less are equal: the first rule is taken, so that no machine's rounding decides.
DIGITS = 6


@dataclass(frozen=True)
class Best:
    """A rule and the bits of the responses that are told by it, its own with them."""

    rule: Rule
    total: float


def best(library: Library, responses: Numbers, asked: Flags | None = None) -> Best:
    """The rule with the shortest code.

    Args:
        responses: (seeds, inputs), the numbers of outputs.
        asked: (inputs,), the inputs that count; by default all.
    """
    counted = tally(library, responses)
    asked = np.ones(responses.shape[1], dtype=bool) if asked is None else asked
    found = [_whole(library, counted, asked)]
    if library.sides:
        found += _two_sides(library, counted, asked)
    if library.conditions:
        found += _switches(library, counted, asked)
    return min(found, key=lambda each: round(each.total, DIGITS))


def _whole(library: Library, counted: Tally, asked: Flags) -> Best:
    """The best of the rules that do not switch."""
    totals = _totals(library.whole, counted, np.flatnonzero(asked)) + NO_SWITCH
    place = _least(totals)
    return Best(library.whole.rule(place, NO_SWITCH), float(totals[place]))


def _two_sides(library: Library, counted: Tally, asked: Flags) -> list[Best]:
    """The best rule for shorter inputs with the best for longer ones: each is found by itself."""
    parts, total = [], float(TWO_SIDES)
    said = np.zeros(len(library.inputs), dtype=np.int64)
    for side in library.sides:
        columns = np.flatnonzero(asked[side.places])
        totals = _totals(side.programs, counted, columns)
        place = _least(totals)
        parts.append(side.programs.rule(place))
        total += float(totals[place])
        said[side.places] = parts[-1].said
    if said.tobytes() in library.alone:
        return [Best(library.whole.rule(library.alone[said.tobytes()], NO_SWITCH), total)]
    below, above = parts
    longest = max(map(len, library.training))
    rule = Rule(
        TWO_SIDES + below.bits + above.bits,
        said,
        f"shorter inputs: {below.words}; longer inputs: {above.words}",
        f"{below.short} | {above.short}",
        f"(({below.python}) if n < {longest} else ({above.python}))",
        True,
    )
    return [Best(rule, total)]


def _switches(library: Library, counted: Tally, asked: Flags) -> list[Best]:
    """For each condition the best rule where it holds with the best where it does not: each is found by itself."""
    programs = library.whole
    hits, missed = counted.counts[programs.said], counted.missed[programs.said]
    holds = np.array([condition.holds for condition in library.conditions])
    masks = np.concatenate([holds & asked, ~holds & asked]).astype(float).T
    sums, bits = np.rint(hits @ masks).astype(np.int64), missed @ masks
    found, half = [], len(library.conditions)
    for number, condition in enumerate(library.conditions):
        sides = []
        for column in (number, half + number):
            n_inputs = int(masks[:, column].sum())
            if n_inputs:
                flags = matching_bits(sums[:, column], counted.n_seeds * n_inputs)
                sides.append(programs.bits + flags + bits[:, column])
        pair = _pair(programs, holds[number], *sides) if len(sides) == 2 else None
        if pair is not None:
            total = SWITCH + condition.bits + float(sides[0][pair[0]] + sides[1][pair[1]])
            found.append((total, number, *pair))
    if not found:
        return []
    total, number, yes, no = min(found, key=lambda each: (round(each[0], DIGITS), each[1]))
    condition, where = library.conditions[number], holds[number]
    then, otherwise = programs.rule(yes), programs.rule(no)
    said = np.where(where, then.said, otherwise.said)
    if said.tobytes() in library.alone:  # in the words of the one rule that says the same
        return [Best(programs.rule(library.alone[said.tobytes()], NO_SWITCH), total)]
    rule = Rule(
        SWITCH + condition.bits + then.bits + otherwise.bits,
        said,
        f"if {condition.words}: {then.words}; else: {otherwise.words}",
        f"{condition.short}: {then.short}, else {otherwise.short}",
        f"(({then.python}) if {condition.python} else ({otherwise.python}))"
        if then.python and otherwise.python
        else "",
        False,
    )
    return [Best(rule, total)]


def _totals(programs: Programs, counted: Tally, columns: Numbers) -> Bits:
    """Bits of all responses at some columns of the rules' inputs, by each of the rules."""
    said = programs.said[:, columns]
    hits = counted.counts[said].sum(axis=1)
    flags = matching_bits(hits, counted.n_seeds * len(columns))
    return np.asarray(programs.bits + flags + counted.missed[said].sum(axis=1))


def _pair(programs: Programs, where: Flags, one: Bits, another: Bits) -> tuple[int, int] | None:
    """The best rule on one side and the best on another: so that together they say what neither says alone.

    If the best two do not, one of them is kept, whichever costs less; None if no rule differs from either.
    """
    first, second = _least(one), _least(another)
    said = programs.said

    def differ(place: int) -> Flags:
        others = said != said[place]
        return np.asarray(others[:, where].any(axis=1) & others[:, ~where].any(axis=1))

    if (said[first] != said[second])[where].any() and (said[first] != said[second])[~where].any():
        return first, second
    pairs = [(first, _least(np.where(differ(first), another, np.inf)))]
    pairs += [(_least(np.where(differ(second), one, np.inf)), second)]
    costs = [round(float(one[yes] + another[no]), DIGITS) for yes, no in pairs]
    yes, no = pairs[int(costs[1] < costs[0])]
    return (yes, no) if differ(yes)[no] else None


def _least(totals: Bits) -> int:
    return int(np.argmin(np.round(totals, DIGITS)))


#: At most so many rules; the bits that say how many there are.
MOST_MIXED, HOW_MANY = 3, 2
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
    for _ in range(MOST_MIXED):
        gains = counts[library.whole.said].sum(axis=1) * missed - library.whole.bits - NO_SWITCH
        rule = library.whole.rule(int(np.argmax(np.round(gains, DIGITS))), NO_SWITCH)
        counts[rule.said] = 0
        rules.append(rule)
        if len(rules) > 1:
            total = _mixture_code(library, responses, rules)
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


def _mixture_code(library: Library, responses: Numbers, rules: Sequence[Rule]) -> float:
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


#: At most so many kinds of seeds, found anew at most so many times.
MOST_KINDS, MOST_ROUNDS = 4, 6
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
    for n_rules in range(2, min(MOST_KINDS, len({row.tobytes() for row in responses})) + 1):
        rules = _kinds(library, responses, _apart(responses, n_rules))
        total = _split_code(library, responses, rules)
        if round(total, DIGITS) < round(found.total, DIGITS):
            found = Split(rules, total)
    return found


def _matches(rules: Sequence[Rule], responses: Numbers) -> Numbers:
    """(seeds, rules): how many outputs of a seed are a rule's."""
    return np.array([(responses == rule.said).sum(axis=1) for rule in rules]).T


def _split_code(library: Library, responses: Numbers, rules: Sequence[Rule]) -> float:
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
