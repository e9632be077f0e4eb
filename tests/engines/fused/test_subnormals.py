"""Numbers too small for full precision are not computed with, which changes no result and nothing outside."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

import pytest
import side_by_side as sides
import torch
from side_by_side import CPU, SMALL, SYMBOLS, examples, ids

from indoubt.engines.fused import engine, stacked
from indoubt.learner import Learner
from indoubt.training import Decode, Protocol, Result, Score, Training
from tests.shared.fused import train_many

#: The smallest number of full precision.
NORMAL = torch.finfo(torch.float32).tiny


def trained(learner: Learner) -> Result:
    decodes = (Decode((ids("aa"), ids("a"), ids("abab")), 0, 20),)
    scores = (Score(examples("a>bb", "aaabb>bbbbb")),)
    blocks = (examples("aa>bbb", "ab>b"),)
    (result,) = train_many([Training(learner, Protocol(), 1, SYMBOLS, SYMBOLS, blocks, None, scores, decodes)], CPU)
    return result


def test_the_thread_is_left_as_it_was() -> None:
    assert stacked.are_kept()
    with stacked.taken_for_zero():
        assert not stacked.are_kept()
        with stacked.taken_for_zero():
            pass
        assert not stacked.are_kept()
    assert stacked.are_kept()


@pytest.mark.parametrize("name", SMALL)
def test_a_training_gives_to_the_bit_what_it_gives_with_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Moments that are nearly subnormal to start with become so where symbols that T lacks have no gradient."""
    learner = sides.learner(name, updates=60, lr=1e-2, warmup_updates=5)
    start, update, found = engine.FusedLockstep.__init__, engine.FusedLockstep.update, list[int]()

    def nearly(self: engine.FusedLockstep, *arguments: object) -> None:
        start(self, *arguments)  # type: ignore[arg-type]
        self.adam.first.flat.fill_(2 * NORMAL)

    def counting(self: engine.FusedLockstep, halts: Sequence[int]) -> None:
        update(self, halts)
        found.append(sum(0 < abs(moment) < NORMAL for moment in self.adam.first.flat.tolist()))

    monkeypatch.setattr(engine.FusedLockstep, "__init__", nearly)
    monkeypatch.setattr(engine.FusedLockstep, "update", counting)
    without = trained(learner)
    assert sum(found) == 0
    monkeypatch.setattr(stacked, "taken_for_zero", nullcontext)
    with_them = trained(learner)
    assert sum(found) > 0, "nothing became subnormal: the test shows nothing"
    assert without.nats == with_them.nats and without.outputs == with_them.outputs
