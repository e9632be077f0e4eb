"""How modules are optimised: read without fairseq, as fairseq's parser reads it."""

from __future__ import annotations

from typing import Any

import pytest

from indoubt.data.literals import decimal_pair
from indoubt.errors import UserError
from indoubt.learners.fairseq_definitions import parse
from indoubt.learners.module_definitions import PAPER, optimisation


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"lr": "1e-3", "warmup_init_lr": 0},
        {"lr": 1, "warmup_updates": 10, "clip_norm": 0},
        {"warmup_updates": "250", "clip_norm": "1e1", "adam_eps": "1e-6"},
        {"adam_betas": "(0, 0.98)"},
        {"adam_betas": [0.9, 0.98], "warmup_init_lr": -1},
        {"adam_betas": None},
    ],
    ids=str,
)
def test_values_and_their_types_are_fairseqs(given: dict[str, Any]) -> None:
    theirs = parse({**PAPER, **{name: value for name, value in given.items() if value is not None}}, "transformer")
    expected = {name: getattr(theirs, name) for name in PAPER}
    expected["adam_betas"] = decimal_pair(str(expected["adam_betas"]))
    found = optimisation(given)
    assert found == expected and list(found) == list(expected)
    assert {name: type(value) for name, value in found.items()} == {name: type(v) for name, v in expected.items()}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"lr": [0.1, 0.2]}, "argument 'lr' is [0.1, 0.2]; it must be a number"),
        ({"lr": True}, "argument 'lr' is True; it must be a number"),
        ({"lr": "nan"}, "argument 'lr' is nan; it must be above 0"),
        ({"clip_norm": None}, "argument 'clip_norm' is None; it must be a number"),
        ({"warmup_updates": "1e3"}, "argument 'warmup_updates' is '1e3'; it must be a whole number"),
        ({"warmup_updates": 0}, "engine modules warms up for 1 update or more"),
        ({"adam_betas": 0.9}, "argument 'adam_betas' is '0.9'; it must be two numbers"),
        ({"optimizer": "sgd"}, "optimizer 'sgd': engine modules has 'adam' only"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_is_said(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as error:
        optimisation(given)
    assert said in str(error.value)
