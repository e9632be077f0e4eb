"""What may be said of the seeds that follow no rule of a task: the conditions, on seeds that nothing was found on.

What was found on some seeds is measured on others: halves of the seeds, folds of the inputs, intervals over seeds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from indoubt.data.rules import first_by_hash
from indoubt.found.codes import base_code, rule_code
from indoubt.found.library import LENGTHS, Bits, Library, Numbers, Rule
from indoubt.found.responses import SHARE as KIND_SHARE
from indoubt.found.responses import Kind, best_kind, modal
from indoubt.found.search import Best, Mixture, Split, best, given_by, mixture, split
from indoubt.measures.intervals import Interval, bca

#: Folds of the hold-out inputs; one input each where there are fewer.
FOLDS = 6


@dataclass(frozen=True)
class GivenRule:
    """The best of the task's own rules: that of most responses."""

    name: str
    rule: Rule


@dataclass(frozen=True)
class SearchResult:
    """What was found on some seeds; `mixture` and `given` are None where there can be none."""

    one: Best
    split: Split
    mixture: Mixture | None
    given: GivenRule | None


@dataclass
class HeldOut:
    """One number per seed, each from what was found on the other half of the seeds."""

    rule: Bits
    chance: Bits
    throughout: Bits
    split: Bits
    split_throughout: Bits
    mixture: Bits
    mixture_throughout: Bits
    given: Bits
    consensus: Bits
    within_one: Bits
    deciding: Bits
    given_deciding: Bits
    mixture_chance: float = field(default=math.nan, init=False)
    stable: bool = field(default=False, init=False)

    @property
    def kappa(self) -> Bits:
        """The rule's share beyond chance: 0 where it gives no more than if outputs were shuffled over inputs."""
        return np.where(self.chance < 1, (self.rule - self.chance) / np.where(self.chance < 1, 1 - self.chance, 1), 0.0)


def search(library: Library, responses: Numbers) -> SearchResult:
    """What is found on some seeds (their responses: seeds, inputs)."""
    one = best(library, responses)
    mixed = mixture(library, responses) if n_outputs(library, responses) > 2 else None
    return SearchResult(one, split(library, responses, one), mixed, best_given(library, responses))


def best_given(library: Library, responses: Numbers) -> GivenRule | None:
    """The task's own rule that gives most of the responses, the first of equals."""
    if not library.given:
        return None
    shares = {name: int((responses == rule.said).sum()) for name, rule in library.given.items()}
    name = max(shares, key=lambda each: shares[each])
    return GivenRule(name, library.given[name])


def given_total(library: Library, responses: Numbers) -> float:
    """The bits of the responses by that of the task's own rules by which they are fewest."""
    totals = [rule_code(library, responses, rule.said, rule.bits) for rule in library.given.values()]
    return min(totals, default=math.inf)


def n_outputs(library: Library, responses: Numbers) -> int:
    """How many different outputs there are."""
    return len({library.outputs.said[number] for number in np.unique(responses)})


def categories(library: Library, responses: Numbers) -> Numbers:
    """(seeds, inputs): responses with numbers that are the same for all inputs."""
    known: dict[tuple[str, ...], int] = {}
    numbers = np.array([known.setdefault(output, len(known)) for output in library.outputs.said])
    return np.asarray(np.unique(numbers[responses], return_inverse=True)[1].reshape(responses.shape))


def measure(library: Library, responses: Numbers) -> HeldOut:
    """What each half of the seeds, every other in the order of their numbers, says of the other half."""
    n_seeds = len(responses)
    held = HeldOut(*(np.full(n_seeds, math.nan) for each in fields(HeldOut) if each.type == "Bits"))
    said, chances = [], []
    for half in (0, 1):
        seeds, others = np.arange(n_seeds)[half::2], np.arange(n_seeds)[1 - half :: 2]
        found, there = search(library, responses[seeds]), responses[others]
        said.append(found.one.rule.key)
        hits = there == found.one.rule.said
        held.rule[others], held.throughout[others] = hits.mean(axis=1), hits.all(axis=1)
        held.chance[others] = by_chance(library, there, [found.one.rule])
        held.consensus[others] = (there == modal(responses[seeds])).mean(axis=1)
        held.split[others], held.split_throughout[others] = _of_kinds(found.split.rules, there)
        if library.grammar == LENGTHS:
            held.within_one[others] = within_one(library, there, found.one.rule).mean(axis=1)
        if found.mixture is not None:
            told = given_by(found.mixture.rules, there) >= 0
            held.mixture[others], held.mixture_throughout[others] = told.mean(axis=1), told.all(axis=1)
            chances.append(by_chance(library, there, found.mixture.rules))
        if found.given is not None:
            given = there == found.given.rule.said
            held.given[others] = given.mean(axis=1)
            decide = found.one.rule.said != found.given.rule.said
            if decide.any():
                held.deciding[others] = hits[:, decide].mean(axis=1)
                held.given_deciding[others] = given[:, decide].mean(axis=1)
    held.stable = said[0] == said[1]
    held.mixture_chance = sum(chances) / len(chances) if len(chances) == 2 else math.nan
    return held


def by_chance(library: Library, responses: Numbers, rules: Sequence[Rule]) -> float:
    """The share of responses that would be one of some rules' if each input had the outputs of all inputs together."""
    overall: dict[tuple[str, ...], float] = {}
    for number, count in zip(*np.unique(responses, return_counts=True), strict=True):
        output = library.outputs.said[number]
        overall[output] = overall.get(output, 0.0) + count / responses.size
    said = np.array([rule.said for rule in rules])
    shares = [sum(overall.get(library.outputs.said[number], 0.0) for number in np.unique(column)) for column in said.T]
    return float(sum(shares) / len(shares))


def within_one(library: Library, responses: Numbers, rule: Rule) -> Numbers:
    """(seeds, inputs): whether a response is within one symbol of a rule's length."""
    lengths = np.array([len(output) for output in library.outputs.said])
    return np.asarray(np.abs(lengths[responses] - lengths[rule.said]) <= 1)


def held_out_inputs(library: Library, responses: Numbers) -> float:
    """The share of responses to inputs that the rule was not found on: folds of the inputs, by hash."""
    order = first_by_hash(library.inputs, len(library.inputs))
    fold = np.array([order.index(source) for source in library.inputs]) % min(len(order), FOLDS)
    hits = 0
    for each in np.unique(fold):
        rule = best(library, responses, fold != each).rule
        hits += int((responses[:, fold == each] == rule.said[fold == each]).sum())
    return hits / responses.size


def interval(values: Bits, name: str) -> Interval:
    """The bootstrap interval of a mean over seeds; where all seeds are equal, no wider than their value."""
    known = [float(value) for value in values if not math.isnan(value)]
    found = bca(known, name)
    if math.isnan(found.low) and len(known) > 1 and max(known) - min(known) < 1e-9:
        return Interval(known[0], known[0], found.note)
    return found


def mean(values: Bits) -> float:
    """The mean over the seeds that have a value; NaN where none has."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _of_kinds(rules: Sequence[Rule], responses: Numbers) -> tuple[Bits, Bits]:
    """Shares of the responses of seeds that are their kind's, and whether they follow a kind throughout.

    A seed's kind is seen on every other input, and the share taken on the rest; then the other way round.
    """
    equal = np.array([rule.said for rule in rules])[:, None, :] == responses[None]
    shares = []
    for half in (0, 1):
        seen, rest = equal[:, :, half::2], equal[:, :, 1 - half :: 2]
        kinds = seen.sum(axis=2).argmax(axis=0)
        shares.append(rest[kinds, np.arange(len(responses))].mean(axis=1))
    return np.mean(shares, axis=0), equal.all(axis=2).any(axis=0)


RULE, SPLIT, MIXTURE, GIVEN, ABOUT, KIND, NONE, TOO_FEW = (
    *("rule", "split", "mixture", "given", "about", "kind", "none", "too few seeds"),
)
#: Seeds that it takes to find on one half and measure on the other.
FEWEST = 8
#: Bits that a description must save, the share of unseen answers that it must give, and what a split must add to that.
SAVED, SHARE, MORE = 10.0, 0.8, 0.05
#: A mixture must not be right by chance as often as this; of lengths so many must be within one symbol.
CHANCE, ABOUT_SHARE = 0.6, 0.9


@dataclass(frozen=True)
class Finding:
    """What was found on all `other` seeds of a cell, what halves of them say, and what may be said of it."""

    form: str
    library: Library
    responses: Numbers
    found: SearchResult
    held: HeldOut
    kind: Kind | None
    base: float
    given_total: float
    share_inputs: float
    intervals: dict[str, Interval]

    @property
    def share(self) -> float:
        """The share of held-out answers that what is said gives."""
        values = {SPLIT: self.held.split, MIXTURE: self.held.mixture, GIVEN: self.held.given}
        if self.form == KIND and self.kind is not None:
            return mean(self.kind.shares)
        return mean(values.get(self.form, self.held.rule))


def finding(library: Library, responses: Numbers, name: str) -> Finding:
    """Search the responses (seeds, inputs) of the seeds that follow no given rule, and judge what is found.

    Args:
        responses: of at least `FEWEST` seeds, in the order of their numbers.
        name: of the cell; it seeds the bootstraps.
    """
    found, held = search(library, responses), measure(library, responses)
    base, given = base_code(library, responses), given_total(library, responses)
    kind = best_kind(library, responses)
    values = {
        "rule": held.rule,
        "split": held.split,
        "mixture": held.mixture,
        "given": held.given,
        "kappa": held.kappa,
        "deciding": held.deciding,
        "consensus": held.consensus,
    } | ({"kind": kind.shares} if kind else {})
    intervals = {what: interval(each, f"{name}/found/{what}") for what, each in values.items()}
    form = _form(library, responses, found, held, kind, base, given, intervals)
    inputs = held_out_inputs(library, responses)
    return Finding(form, library, responses, found, held, kind, base, given, inputs, intervals)


def _form(
    library: Library, responses: Numbers, found: SearchResult, held: HeldOut, kind: Kind | None, base: float,
    given: float, intervals: dict[str, Interval],
) -> str:  # fmt: skip
    """The first form whose conditions hold."""
    one = found.one
    depends = len({library.outputs.said[number] for number in one.rule.said}) > 1
    beyond_chance = depends and base - one.total >= SAVED and intervals["kappa"].low > 0
    given_share = 0.0 if math.isnan(mean(held.given)) else mean(held.given)
    given_rule = found.given.rule if found.given is not None else None
    decided = given_rule is None or (
        one.rule.key != given_rule.key and intervals["deciding"].low > mean(held.given_deciding)
    )
    if beyond_chance and given - one.total >= SAVED and mean(held.rule) >= SHARE and decided:
        return RULE
    split_share = mean(held.split)
    if one.total - found.split.total >= SAVED and split_share >= SHARE and split_share >= given_share + MORE:
        return SPLIT
    if given_share >= SHARE:
        return GIVEN
    if (
        found.mixture is not None
        and n_outputs(library, responses) > 2
        and min(one.total, found.split.total) - found.mixture.total >= SAVED
        and mean(held.mixture) >= SHARE
        and held.mixture_chance < CHANCE
    ):
        return MIXTURE
    if beyond_chance and mean(held.within_one) >= ABOUT_SHARE:
        return ABOUT
    return KIND if kind is not None and mean(kind.shares) >= KIND_SHARE else NONE
