"""What may be said of the seeds that follow no rule of a task: the conditions, on seeds that nothing was found on."""

from __future__ import annotations

import math
from dataclasses import dataclass

from indoubt.found.codes import base_code
from indoubt.found.held_out import (
    HeldOut,
    Searched,
    given_total,
    held_out_inputs,
    interval,
    mean,
    measure,
    n_outputs,
    search,
)
from indoubt.found.kinds import SHARE as KIND_SHARE
from indoubt.found.kinds import Kind, best_kind
from indoubt.found.library import Library, Numbers
from indoubt.measures.intervals import Interval

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
    found: Searched
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
    library: Library, responses: Numbers, found: Searched, held: HeldOut, kind: Kind | None, base: float, given: float,
    intervals: dict[str, Interval],
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
