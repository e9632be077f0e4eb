"""Sequences without their padding, and norms that are bounded before they are computed."""

from __future__ import annotations

import pytest
import torch

from indoubt.engines.fused.batches import Packing
from indoubt.engines.fused.parameters import Gathered

MASK = torch.tensor([[[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1]]])


def test_of_a_model_that_is_alone_symbols_are_left() -> None:
    rows, x = Packing(MASK, torch.float32, alone=True), torch.randn(1, 4, 3, 5)
    packed = rows.pack(x)
    assert torch.equal(packed[0], x[MASK.bool()]) and rows.lengths.tolist() == [2, 1, 0, 3]
    assert torch.equal(rows.unpack(packed), x * MASK[..., None])
    assert rows.only_present(packed) is packed


@pytest.mark.parametrize("alone", [False, True])
def test_what_has_no_padding_stays_as_it_is(alone: bool) -> None:
    rows, x = Packing(torch.ones(1, 2, 3), torch.float32, alone=alone), torch.randn(1, 2, 3, 5)
    assert torch.equal(rows.unpack(rows.pack(x)), x) and rows.lengths.tolist() == [3, 3]


def test_of_models_that_share_a_lockstep_padding_stays() -> None:
    rows, x = Packing(MASK.repeat(2, 1, 1), torch.float32, alone=False), torch.randn(2, 4, 3, 5)
    packed = rows.pack(x)
    assert packed.shape == (2, 12, 5) and torch.equal(rows.unpack(packed), x)
    assert torch.equal(rows.unpack(rows.only_present(packed)), x * MASK[..., None])
    assert rows.lengths.tolist() == [3] * 8


def test_a_gradient_is_no_longer_than_its_bound() -> None:
    left, right, weight = torch.randn(2, 6, 9), torch.randn(2, 6, 7), torch.zeros(2, 9, 7)
    gradient = Gathered(left, right, weight)
    norms = torch.stack([(a.mT @ b).square().sum() for a, b in zip(left, right, strict=True)])
    assert bool((gradient.most() >= norms).all())
    torch.testing.assert_close(gradient.squared_norm(), norms)
    one = Gathered(left[:, :1], right[:, :1], weight)
    torch.testing.assert_close(one.most(), one.squared_norm())
