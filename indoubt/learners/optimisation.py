"""How learners of engine `modules` are optimised: by fairseq's names and its own parser, with the paper's values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from indoubt.errors import UserError
from indoubt.learners.definitions import parse
from indoubt.learners.numbers import decimal_pair
from indoubt.learners.ranges import check_ranges
from indoubt.learners.texts import check_texts

#: What is taken where a definition gives nothing: the paper's values, not fairseq's defaults.
PAPER: dict[str, Any] = {
    "optimizer": "adam",
    "lr": 1e-3,
    "lr_scheduler": "inverse_sqrt",
    "warmup_init_lr": 1e-5,
    "warmup_updates": 1000,
    "clip_norm": 25.0,
    "adam_betas": "(0.9, 0.999)",
    "adam_eps": 1e-8,
}
#: Those that are one number each.
NUMBERS = {"lr", "warmup_init_lr", "warmup_updates", "clip_norm", "adam_eps"}


def optimisation(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every argument of the optimisation, with its value.

    Raises:
        UserError: a value that is not possible, or that engine `modules` has no form for.
    """
    for name in ("optimizer", "lr_scheduler"):
        if given.get(name, PAPER[name]) != PAPER[name]:
            raise UserError(f"{name} {given[name]!r}: engine modules has {PAPER[name]!r} only; leave it out")
    for name in NUMBERS & given.keys():
        try:
            float(str(given[name]))  # YAML takes 1e-3 for a text
        except ValueError:
            raise UserError(f"argument {name!r} is {given[name]!r}; it must be a number") from None
    parsed = parse({**PAPER, **given}, "transformer")
    found = {name: getattr(parsed, name) for name in PAPER}
    check_ranges(found)
    check_texts(found)
    if found["warmup_updates"] < 1:
        raise UserError("warmup_updates: engine modules warms up for 1 update or more")
    return found | {"adam_betas": decimal_pair(str(found["adam_betas"]))}
