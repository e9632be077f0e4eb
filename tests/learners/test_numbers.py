"""0 and 0.0, 64 and 64.0 are one number: however a definition writes it, it is one learner."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from indoubt.data.literals import one_spelling, spelled_as
from indoubt.learner import Learner
from indoubt.learners.module_definitions import resolve_module
from indoubt.training import Protocol

MODULE = """
import torch
from torch import nn


class Mine(nn.Module):
    def __init__(self, symbols, width=8, dropout=0.1, scale: float = 1, bias: "float | None" = None, deep=[0.5, 1.0]):
        super().__init__()
        self.table, self.out = nn.Embedding(symbols, width), nn.Linear(width, symbols)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens):
        return self.out(self.dropout(self.table(tokens).cumsum(1)))
"""


def text(learner: Learner) -> str:
    """Its arguments, as job descriptions and keys hold them."""
    return json.dumps(learner.arguments, sort_keys=True)


@pytest.mark.parametrize(
    ("learner", "one", "other"),
    [
        ("transformer", {"dropout": 0}, {"dropout": 0.0}),
        ("transformer", {"clip_norm": 25}, {}),
        ("transformer", {"clip_norm": 25.0}, {"clip_norm": 25}),
        ("transformer", {"encoder_layerdrop": 0}, {}),
        ("transformer", {"adam_betas": "(0, 0.999)"}, {"adam_betas": "(0.0,0.999)"}),
        ("cnn", {"lr": 1}, {"lr": 1.0}),
    ],
)
def test_fairseqs_arguments(
    learner_of: Callable[..., Learner], learner: str, one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert text(learner_of(learner, **one)) == text(learner_of(learner, **other))


def test_keys_of_before_stay(learner_of: Callable[..., Learner]) -> None:
    """What needs no change has none: fairseq's own defaults, and numbers that were given."""
    arguments = learner_of("transformer").arguments
    assert arguments["adam_betas"] == "(0.9, 0.999)" and type(arguments["clip_norm"]) is int
    assert type(learner_of("transformer", clip_norm=10).arguments["clip_norm"]) is float


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"dropout": 0}, {"dropout": 0.0}),
        ({"width": 8.0}, {}),
        ({"scale": 2}, {"scale": 2.0}),
        ({"bias": 0}, {"bias": 0.0}),
        ({"deep": [0, 1]}, {"deep": [0.0, 1.0]}),
        ({"dropout": "1e-1", "bias": "1e-5"}, {"bias": 1e-5}),
        ({"adam_betas": "(0, 0.98)"}, {"adam_betas": "(0.0, 0.98)"}),
    ],
)
def test_arguments_of_ones_own_class(tmp_path: Path, one: dict[str, Any], other: dict[str, Any]) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MODULE)
    resolved = [
        resolve_module({"module": str(file), **each}, 3, None, Protocol(), None, (4, 4)).learner
        for each in (one, other)
    ]
    assert text(resolved[0]) == text(resolved[1])


def test_keys_of_a_hugging_face_configuration() -> None:
    small = {"hf": "gpt2", "n_embd": 16, "n_layer": 1, "n_head": 2}
    one, other = small | {"resid_pdrop": 0}, small | {"resid_pdrop": "0e0", "n_embd": 16.0}
    resolved = [resolve_module(each, 3, None, Protocol(), None, (4, 4)).learner for each in (one, other)]
    assert text(resolved[0]) == text(resolved[1])
    assert (
        resolved[0].arguments["config"]["resid_pdrop"] == 0 and type(resolved[0].arguments["config"]["n_embd"]) is int
    )


@pytest.mark.parametrize(
    ("value", "example", "annotation", "expected"),
    [
        (1, 0.5, None, "1.0"),
        (1.0, 5, None, "1"),
        (1.5, 5, None, "1.5"),
        (1, None, float, "1.0"),
        (1.0, None, None, "1"),
        (True, 0.5, float, "True"),
        ("1", 0.5, None, "1.0"),
        ("1e-5", 1e-6, None, "1e-05"),
        ("1e4", 5, None, "10000"),
        ("2.5e3", None, "int | None", "2500"),
        (["1e-5", "-.5E1"], [0.5], None, "[1e-05, -5.0]"),
        ("1e-5", None, None, "1e-05"),
        ("1", None, None, "'1'"),
        ("1e-5", "gelu", None, "'1e-5'"),
        ("1e-5", None, "str | float", "'1e-5'"),
        ("1e", 0.5, None, "'1e'"),
        ("nan", 0.5, None, "'nan'"),
        ({"theta": "1e4"}, {"theta": 10.0, "kind": "default"}, None, "{'theta': 10000.0}"),
        ({"a": 1, "b": [1.0]}, {"a": 0.5}, None, "{'a': 1.0, 'b': [1]}"),
    ],
)
def test_a_number_is_written_as_its_example_has_it(value: Any, example: Any, annotation: Any, expected: str) -> None:
    assert repr(spelled_as(value, example, annotation)) == expected


def test_one_spelling_keeps_apart_what_differs() -> None:
    values = [0, 0.5, True, False, None, "0", "a", "(0, 1)", "[(512, 3)]", [0.5], {"a": 0}, float("inf")]
    assert len({json.dumps(one_spelling(value)) for value in values}) == len(values)
    assert one_spelling("[(512,3)]") == one_spelling("[(512, 3)]")
