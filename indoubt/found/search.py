"""The rule that tells what some seeds output in the fewest bits, of all there are: no heuristics, no randomness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from indoubt.found.codes import Tally, matching_bits, tally
from indoubt.found.language import NO_SWITCH, SWITCH, TWO_SIDES
from indoubt.found.library import Bits, Flags, Library, Numbers, Programs, Rule

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
