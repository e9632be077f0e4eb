"""Transformers whose updates are in C from top to bottom, against separate models of fairseq's and the torch path."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import side_by_side as sides
import torch
from side_by_side import CPU, SYMBOLS, UNEQUAL_SIZES, examples
from test_equality import STEPS, check_weights, dtype, fairseq_steps  # noqa: F401  (dtype is a fixture)

from indoubt.engines.fused import kernels, lockstep
from indoubt.engines.fused.adam import Adam, Schedule, nll
from indoubt.engines.fused.batches import make_batch, shape_of
from indoubt.engines.fused.dropout import DropoutMasks
from indoubt.engines.fused.parameters import Parameters
from indoubt.engines.fused.transformer import Transformer
from indoubt.engines.fused.transformer_in_c import TransformersInC
from indoubt.learner import Learner
from indoubt.training import Example, Protocol, Score, Training
from tests.shared.fused import train_many

HEADS = {f"{side}_attention_heads": n for side, n in (("encoder", 1), ("decoder", 3))}
#: Forms of the learner: changes of the small one, which has two layers, four heads and a width of 8.
FORMS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "joint": {"cross_self_attention": True},
    "heads of other sizes, a width that no register divides": HEADS
    | {f"{side}_embed_dim": 21 for side in ("encoder", "decoder")}
    | {"encoder_ffn_embed_dim": 5, "decoder_ffn_embed_dim": 50},
    "more heads than a register has places": {"cross_self_attention": True, "encoder_layers": 1}
    | {f"{side}_attention_heads": 20 for side in ("encoder", "decoder")}
    | {f"{side}_embed_dim": 40 for side in ("encoder", "decoder")},
    "eight heads of two features": {"cross_self_attention": True}
    | {f"{side}_attention_heads": 8 for side in ("encoder", "decoder")}
    | {f"{side}_embed_dim": 16 for side in ("encoder", "decoder")},
    "two heads, joint": {"cross_self_attention": True, "decoder_layers": 3}
    | {f"{side}_attention_heads": 2 for side in ("encoder", "decoder")},
    "wide": {f"{side}_embed_dim": 68 for side in ("encoder", "decoder")} | {"decoder_layers": 1},
    "unscaled": {"no_scale_embedding": True, "encoder_layers": 1},
}
#: Batches such as real tasks have.
REAL = [
    examples("aaaaa>bbbbbbbbbb"),
    examples("abbab>a", "babba>b", "aabaa>b", "b>aabab"),
    examples(f"{'a' * 40}>{'b' * 40}"),
]


def trainings_of(learner: Learner, sets: list[tuple[Example, ...]]) -> list[Training]:
    return [Training(learner, Protocol(), seed, SYMBOLS, SYMBOLS, (one,)) for seed, one in enumerate(sets, 1)]


def in_c(trainings: list[Training], weights: Parameters, calls: list[int]) -> torch.Tensor:
    """Update models in calls of so many updates; the nats of their last batches."""
    schedule, done = Schedule.of(trainings[0].learner), 0
    step_sizes = torch.tensor(schedule.step_sizes(0), dtype=torch.float64)
    models = TransformersInC(trainings, weights, Adam(weights, schedule), step_sizes)
    for n in calls:
        nats = models.update(done, n)
        done += n
    return nats


def masks_of(training: Training, dtype: torch.dtype) -> list[dict[str, torch.Tensor]]:  # noqa: F811
    """The masks of each update, as the torch path draws them."""
    one = training.examples
    sites = Transformer.sites(training.learner, shape_of(one))
    drawn = DropoutMasks(sites, [training.key], make_batch([one], CPU).places, CPU, dtype)
    return [drawn.draw(torch.tensor(update)) for update in range(STEPS)]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_weights_after_clipped_steps(form: str, dropout: float, dtype: torch.dtype) -> None:  # noqa: F811
    changes = FORMS[form] | {"dropout": dropout, "clip_norm": 0.1, "adam_eps": 1e-8, "warmup_updates": 10}
    learner = sides.learner("transformer", STEPS, **changes)
    trainings = trainings_of(learner, UNEQUAL_SIZES)
    models = sides.fairseq_models(learner, [training.seed for training in trainings], dtype)
    weights = sides.parameters_of(learner, models)
    in_c(trainings, weights, [1, 7, STEPS - 8])
    for row, (model, training) in enumerate(zip(models, trainings, strict=True)):
        masks = masks_of(training, dtype) if dropout else [None] * STEPS
        fairseq_steps(learner, model, training.examples, masks, 0)
        check_weights(weights, row, model, dtype)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("one", UNEQUAL_SIZES)
def test_gradients_are_those_of_the_torch_path(form: str, dropout: float, one: tuple[Example, ...]) -> None:
    """To all digits but the last, also where Adam, which asks for a gradient's direction alone, would not tell."""
    learner = sides.learner("transformer", STEPS, **FORMS[form] | {"dropout": dropout})
    (training,) = trainings_of(learner, [one])
    weights = sides.parameters_of(learner, sides.fairseq_models(learner, [1], torch.float64))
    fused, expected = sides.fused(learner, weights, make_batch([one], CPU, torch.float64))
    with torch.no_grad():
        logits = fused.forward(masks_of(training, torch.float64)[0] if dropout else {})
        theirs, d_logits = nll(logits, make_batch([one], CPU, torch.float64))
        fused.backward(d_logits)
    models = TransformersInC([training], weights, Adam(weights, Schedule.of(learner)), torch.zeros(STEPS).double())
    ours = models.update(0, 1)
    assert ours.tolist() == pytest.approx(theirs.tolist(), rel=1e-10)
    assert expected.norms() > 0.1, "the tests of weights would clip nothing"
    for name, gradient in expected.values.items():
        found = models._gradients.values[name]
        # gradients that are zero but for rounding have no relative difference
        assert float((found - gradient).norm()) < 1e-10 * max(float(gradient.norm()), 1e-2), name


@pytest.mark.parametrize("name", ["transformer", "transformer-joint"])
@pytest.mark.parametrize("one", REAL)
def test_models_in_their_real_size(
    name: str, one: tuple[Example, ...], dtype: torch.dtype, learner_of: Callable[..., Learner]  # noqa: F811
) -> None:  # fmt: skip
    learner = learner_of(name, updates=STEPS, clip_norm=2.0)
    (training,) = trainings_of(learner, [one])
    models = sides.fairseq_models(learner, [1], dtype)
    weights = sides.parameters_of(learner, models)
    in_c([training], weights, [STEPS])
    fairseq_steps(learner, models[0], one, masks_of(training, dtype), 0)
    check_weights(weights, 0, models[0], dtype)


def test_how_updates_are_cut_into_calls_changes_no_bit() -> None:
    trainings = trainings_of(sides.learner("transformer-joint", STEPS), UNEQUAL_SIZES)
    ended = []
    for calls in ([STEPS], [1] * STEPS, [3, 1, STEPS - 4]):
        weights = lockstep.initial_weights(trainings, CPU)
        ended.append((in_c(trainings, weights, calls), weights.flat.clone()))
    for nats, flat in ended[1:]:
        assert torch.equal(nats, ended[0][0]) and torch.equal(flat, ended[0][1])


def test_drawn_examples_have_dropout_of_their_own() -> None:
    """An example that is drawn twice is two rows, each with masks of its own, as the torch path has it."""
    learner = replace(sides.learner("transformer", STEPS), batch_size=3)
    scores = (Score(examples("ab>bb")),)
    trainings = [
        replace(each, scores=scores) for each in trainings_of(learner, [examples("a>bb"), examples("ab>b", "b>a")])
    ]
    nats = []
    for there_is_c in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lockstep, "in_c", lambda learner, device, said=there_is_c: said)
            patch.setattr("indoubt.engines.fused.engine.in_c", lambda learner, device, said=there_is_c: said)
            nats.append({result.key: result.nats for result in train_many(trainings, CPU)})
    for key, ours in nats[0].items():
        assert ours == pytest.approx(nats[1][key], rel=1e-4)


@pytest.fixture(params=["avx2", "sse2", "clang"])
def other_build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The C code for processors with smaller registers, and by another compiler."""
    if request.param == "clang":
        if shutil.which("clang") is None:
            pytest.skip("there is no clang")
        monkeypatch.setenv("CC", "clang")
    elif platform.machine() != "x86_64":
        pytest.skip("not an x86-64 processor")
    else:
        chosen = ["-mavx2", "-mfma", "-mno-avx512f"] if request.param == "avx2" else ["-march=x86-64"]
        flags = [flag for flag in kernels.FLAGS if request.param == "avx2" or not flag.startswith("-march")]
        monkeypatch.setattr(kernels, "FLAGS", (*flags, *chosen))
    kernels._library.cache_clear()
    yield
    kernels._library.cache_clear()


def test_other_builds_compute_the_same(other_build: None) -> None:
    for changes in FORMS.values():
        learner = sides.learner("transformer", STEPS, **changes | {"clip_norm": 0.1, "warmup_updates": 10})
        trainings = trainings_of(learner, UNEQUAL_SIZES)
        models = sides.fairseq_models(learner, [training.seed for training in trainings])
        weights = sides.parameters_of(learner, models)
        in_c(trainings, weights, [STEPS])
        for row, (model, training) in enumerate(zip(models, trainings, strict=True)):
            fairseq_steps(learner, model, training.examples, masks_of(training, torch.float32), 0)
            check_weights(weights, row, model, torch.float32)
