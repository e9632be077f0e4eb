"""Batches drawn with replacement: those of the other engines, and updates that padding has no part in."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from indoubt.engines.fairseq.randomness import independent_stream
from indoubt.engines.fused.batches import shape_of
from indoubt.engines.modules.loader import Builder
from indoubt.engines.modules.lockstep import ModuleLockstep
from indoubt.engines.modules.one_by_one import PlainTraining
from indoubt.learner import FairseqLearner, Learner
from indoubt.training import Training
from tests.shared import made_modules as made
from tests.shared.made_modules import CPU, examples, training

pytestmark = pytest.mark.xdist_group("modules")
#: No two targets are equally long.
SENT = examples("aaab>xxx", "ab>xyxyx", "b>y", "aab>yyxx", ">xyxyxyx")
SIZE = 3


def drawing(learner: Learner, seed: int) -> Training:
    return replace(training(replace(learner, batch_size=SIZE), seed), blocks=(SENT,), scores=(), decodes=())


def drawn_by_the_reference(each: Training, update: int) -> tuple[int, ...]:
    independent_stream(each.key, update)
    return tuple(random.choices(range(len(each.examples)), k=SIZE))


def test_the_examples_drawn_are_the_references() -> None:
    trainings = [drawing(made.learner("decoder_only.DecoderOnly"), seed) for seed in (1, 2)]
    batches = made.lockstep(trainings).batches
    for update in range(4):
        batch = batches.at(update).batch
        for row, each in enumerate(trainings):
            targets = sorted(tuple(ids) for ids in batch.target[row].tolist())
            longest = max(len(example.target) for example in SENT)
            asked = [SENT[place].target for place in drawn_by_the_reference(each, update)]
            assert targets == sorted((*ids, *[1] * (batch.target.size(2) - len(ids))) for ids in asked)
            assert longest <= batch.target.size(2) and batch.sentences[row] == SIZE
            lengths = batch.source_lengths[row].tolist()
            assert lengths == sorted(lengths, reverse=True)  # as nn.utils.rnn.pack_padded_sequence wants them


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("name", ["decoder_only.DecoderOnly", "recurrent.Recurrent"])
def test_an_update_is_that_of_the_drawn_examples_as_a_whole_batch(name: str, together: bool) -> None:
    arguments = {"dropout": 0.0} | ({"hidden": 24} if name.startswith("recurrent") else {})
    learner = made.learner(name, 5, lr=1e-2, **arguments)
    longest = max(len(example.target) for example in SENT)

    def is_uneven(one: Training) -> bool:
        lengths = [len(SENT[place].target) for place in drawn_by_the_reference(one, 0)]
        return len(set(lengths)) == SIZE and max(lengths) < longest

    each = next(one for seed in range(50) if is_uneven(one := drawing(learner, seed)))

    def updated(one: Training) -> tuple[dict[str, torch.Tensor], float]:
        if together:
            lockstep: ModuleLockstep | PlainTraining = made.lockstep([one])
        else:
            lockstep = PlainTraining(one, Builder(one.learner), shape_of(one.examples), CPU, 0)
        lockstep.update()
        return lockstep.weights.export(0), float(lockstep.nats[0])

    places = drawn_by_the_reference(each, 0)
    whole = replace(each, learner=learner, blocks=(tuple(SENT[place] for place in places),))
    (ours, nats), (theirs, expected) = updated(each), updated(whole)
    assert nats == pytest.approx(expected, rel=1e-5)
    for weight, value in theirs.items():
        if not weight.endswith("key.bias"):  # its gradient is rounding, which Adam makes a step of
            assert torch.allclose(ours[weight], value, atol=1e-6), weight


def test_each_draw_of_an_example_has_masks_of_its_own_wherever_it_stands() -> None:
    learner = made.learner("decoder_only.DecoderOnly", 5, dropout=0.5)
    lockstep = made.lockstep([drawing(learner, seed) for seed in (1, 2)])
    first = lockstep.masks(0, lockstep.batches.at(0))
    for update in (1, 2, 0):
        given = lockstep.batches.at(update)
        masks = lockstep.masks(update, given)
        for mask in masks.values():
            assert not torch.equal(mask[0, 0], mask[0, 1]) and not torch.equal(mask[0], mask[1])
    assert all(torch.equal(masks[site], first[site]) for site in first)  # also after others stood in the rows


def test_a_drawn_batch_is_another_training_than_that_of_earlier_versions() -> None:
    learner = made.learner("decoder_only.DecoderOnly", 5)
    arch = FairseqLearner({"arch": "transformer"}, 5, 2)
    assert (
        training(learner, 1).key == "17b031d1af74e9b877f7a4d158d24689"
        and training(arch, 1).key == "b85dcd33795ad5eb33f35c0cfd092042"
    )
    assert training(replace(learner, batch_size=2), 1).key != "32cc9ffd387806c8412b8fefc51c337f"
