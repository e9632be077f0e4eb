"""How fast rotary positions turn: arguments of the built-in decoder that leave earlier learners as they are."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from indoubt import layers
from indoubt.errors import UserError
from indoubt.learner import Learner
from indoubt.learners.module_definitions import resolve_module
from indoubt.training import Protocol


def resolved(**arguments: object) -> Learner:
    definition = {"module": "decoder_only", "heads": 2, "positions": "rope"} | arguments
    return resolve_module(definition, 10, None, Protocol(), None, (5, 5)).learner


def test_scaled_places_are_other_places() -> None:
    """At half the scale the place 2 k is turned as k is; at another base all but the fastest frequency change."""
    x = torch.randn(1, 8).expand(9, 8)
    plain, half = layers.rotated(x), layers.rotated(x, scale=0.5)
    assert torch.allclose(half[::2], plain[:5], atol=1e-6) and not torch.allclose(half[1:4], plain[1:4], atol=1e-2)
    other = layers.rotated(x, base=100.0)
    assert torch.equal(other[:, [0, 4]], plain[:, [0, 4]]) and not torch.allclose(other[1:, 1], plain[1:, 1], atol=1e-3)


def test_a_turn_is_two_pi_places_over_the_scale() -> None:
    x = torch.ones(1, 8).expand(30, 8)
    angle = torch.atan2(layers.rotated(x, scale=1.25)[:, 4], layers.rotated(x, scale=1.25)[:, 0])
    turned = torch.diff(angle).remainder(2 * math.pi)
    assert torch.allclose(turned, torch.full_like(turned, 1.25), atol=1e-5)


def test_defaults_are_no_part_of_a_learner_and_other_values_are() -> None:
    plain = resolved()
    assert {"rope_base", "position_scale"}.isdisjoint(plain.arguments)
    assert resolved(position_scale=1, rope_base=10000.0) == plain
    assert resolved(position_scale=0.8).arguments["position_scale"] == 0.8


BUILT_ON_IT = """from learners.decoder_only import DecoderOnly


class Mine(DecoderOnly):
    def __init__(self, symbols, width=8):
        super().__init__(symbols, width, heads=1, positions="rope")
"""


def test_a_class_built_on_the_decoder_may_lack_these_arguments(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(BUILT_ON_IT)
    definition = {"module": str(tmp_path / "mine.py")}
    learner = resolve_module(definition, 10, None, Protocol(), None, (5, 5)).learner
    assert learner.arguments["width"] == 8 and "rope_base" not in learner.arguments


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"positions": "alibi", "position_scale": 2.0}, "are of `positions: rope`"),
        ({"position_scale": 0.0}, "position_scale above 0"),
        ({"rope_base": 1.0}, "rope_base must be above 1"),
    ],
)
def test_turns_that_mean_nothing_are_refused(arguments: dict[str, object], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        resolved(**arguments)
