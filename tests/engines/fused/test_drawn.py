"""Batches drawn with replacement: the reference's batches, its numbers, and nothing that hangs on companions."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import side_by_side as sides
import torch
from side_by_side import CPU, SMALL, SYMBOLS, examples, ids

from indoubt.engines.fairseq import engine as reference
from indoubt.engines.fairseq import models
from indoubt.engines.fairseq.randomness import drawn_places, independent_stream
from indoubt.engines.fused import engine
from indoubt.engines.fused.batches import Drawn, Shape, make_batch
from indoubt.learner import Learner
from indoubt.training import Decode, Protocol, Result, Score, Training
from tests.shared.fused import train_many

SENT = examples("aa>bbb", "ab>b", "a>bb", "aaabb>bbbbb", ">b", "b>a")
DECODE = Decode((ids("aa"), ids("a"), ids(""), ids("abab")), 0, 20)


def training(learner: Learner, seed: int, sent: int = 6) -> Training:
    scores = (Score(examples("aab>bb")),)
    return Training(learner, Protocol(), seed, SYMBOLS, SYMBOLS, (SENT[:sent],), None, scores, (DECODE,))


def drawing(name: str, updates: int = 20, dropout: float = 0.0, size: int = 4) -> Learner:
    lr = 1e-2 if not name.startswith("lstm") else 3e-2
    return replace(sides.learner(name, updates, dropout=dropout, lr=lr, warmup_updates=5), batch_size=size)


def by_key(results: Iterator[Result]) -> dict[str, Result]:
    return {result.key: result for result in results}


def test_the_places_drawn_are_the_references() -> None:
    for update in range(5):
        independent_stream("a key", update)
        assert random.choices(SENT, k=9) == [SENT[place] for place in drawn_places("a key", update, len(SENT), 9)]


def test_a_drawn_batch_is_the_batch_of_the_drawn_examples() -> None:
    sets = [SENT[:4], SENT]
    drawn = Drawn(sets, 5, Shape(5, 6, 6), CPU)
    places = [[3, 0, 0, 1, 3], [5, 2, 4, 2, 0]]
    ours = drawn.batch(places)
    theirs = make_batch(
        [[each[place] for place in of] for each, of in zip(sets, places, strict=True)], CPU, shape=Shape(5, 6, 6)
    )
    for name in ("source", "source_lengths", "previous", "target", "target_mask", "sentences"):
        assert torch.equal(getattr(ours, name), getattr(theirs, name)), name
    assert ours.places == theirs.places
    assert ours.active_sources == theirs.active_sources and ours.active_targets == theirs.active_targets


@pytest.mark.parametrize("name", SMALL)
def test_code_lengths_and_outputs_are_the_references(name: str) -> None:
    trainings = [training(drawing(name), seed) for seed in (1, 2)]
    ours = by_key(train_many(trainings, CPU))
    for each in trainings:
        (theirs,) = reference.train_chain([each], CPU)
        assert ours[each.key].nats == pytest.approx(theirs.nats, rel=1e-3)
        assert ours[each.key].outputs == theirs.outputs
    (full,) = train_many([replace(trainings[0], learner=replace(trainings[0].learner, batch_size=None))], CPU)
    assert full.nats != pytest.approx(ours[trainings[0].key].nats, rel=1e-3)


@pytest.mark.parametrize("name", ["lstm-attention", "cnn", "transformer"])
def test_companions_change_no_bit(name: str) -> None:
    learner = drawing(name, dropout=0.5)
    one, others = training(learner, 1), [training(learner, seed, sent) for seed in range(2, 8) for sent in (4, 6)]
    (alone,) = train_many([one], CPU)
    together = by_key(train_many([*others[:6], one, *others[6:]], CPU))
    assert together[one.key].nats == alone.nats and together[one.key].outputs == alone.outputs


def test_an_example_drawn_twice_has_two_dropout_masks() -> None:
    learner = sides.learner("transformer")
    batch = Drawn([SENT], 3, Shape(3, 6, 6), CPU).batch([[3, 3, 3]])
    masks = sides.masks_of(learner, [SENT[:3]], batch, torch.float32).draw(torch.tensor(0))
    first, second, third = next(iter(masks.values()))[0]
    assert not torch.equal(first, second) and not torch.equal(second, third)


def test_a_killed_training_goes_on_with_its_own_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainings = [training(drawing("transformer", updates=30, dropout=0.5), seed) for seed in (1, 2)]
    undisturbed = by_key(train_many(trainings, CPU))
    update, counts = engine.FusedLockstep.update, []

    def update_or_die(self: engine.FusedLockstep, halts: Sequence[int]) -> None:
        update(self, halts)
        counts.append(1)
        if len(counts) == 17:
            raise KeyboardInterrupt

    monkeypatch.setattr("indoubt.engines.saved_states.SAVE_EVERY", -1.0)
    monkeypatch.setattr("indoubt.engines.fused.lockstep.CALL_SECONDS", 0.0)  # an update a call
    monkeypatch.setattr(engine.FusedLockstep, "update", update_or_die)
    with pytest.raises(KeyboardInterrupt):
        list(train_many(trainings, CPU, state_folder=tmp_path))
    resumed = by_key(train_many(trainings, CPU, state_folder=tmp_path))
    assert len(counts) < 17 + 30
    for key, result in undisturbed.items():
        assert resumed[key].nats == result.nats and resumed[key].outputs == result.outputs


@pytest.mark.parametrize("name", ["lstm-attention", "cnn", "transformer"])
def test_decoding_in_pieces_gives_what_decoding_at_once_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = tuple(ids(a + b) for a in ("", "a", "ab", "bba") for b in ("", "b", "aa"))
    each = replace(training(drawing(name), 1), decodes=(Decode(sources, 0, 12),))
    (at_once,), (theirs,) = train_many([each], CPU), reference.train_chain([each], CPU)
    for module in ("indoubt.engines.fused.evaluation", models.__name__):
        monkeypatch.setattr(f"{module}.TOGETHER", 5)
    (in_pieces,), (theirs_in_pieces,) = train_many([each], CPU), reference.train_chain([each], CPU)
    assert in_pieces.outputs == at_once.outputs == theirs.outputs == theirs_in_pieces.outputs
