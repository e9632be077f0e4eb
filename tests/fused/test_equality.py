"""Each fused learner against separate fairseq models: loss, gradients, and weights after 20 clipped Adam steps."""

from __future__ import annotations

import math

import pytest
import side_by_side as sides
import torch
from fairseq import utils
from fairseq.optim.adam import Adam as FairseqAdam
from side_by_side import CPU, EQUAL_SIZES, SMALL, UNEQUAL_SIZES, difference
from torch import Tensor

import doubt.engines.fused.gradients as gradients_module
import doubt.engines.fused.kernels as kernels_module
from doubt.engines.fused.batch import make_batch
from doubt.engines.fused.optimisation import Adam, Schedule, nll
from doubt.learners import namespace
from doubt.optimisation import Optimizer

SEEDS, STEPS = (1, 2, 3), 20
#: Relative difference in norm that rounding may make.
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}


class Adam64:
    """fairseq's Adam in its weights' own type (fairseq's rounds to float32)."""

    def __init__(self, parameters: list[Tensor]) -> None:
        self.parameters, self.t = parameters, 0
        self.m, self.v = ([torch.zeros_like(p) for p in parameters] for _ in range(2))

    @torch.no_grad()
    def step(self, lr: float) -> None:
        self.t += 1
        for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
            m += 0.1 * (p.grad - m)
            v += 0.001 * (p.grad**2 - v)
            p -= lr * math.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t) * m / (v.sqrt() + 1e-8)


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    """A precision; fairseq's softmaxes, and what goes into them, keep it."""
    if request.param is torch.float64:
        monkeypatch.setattr(utils, "softmax", lambda x, dim, onnx_trace=False: torch.softmax(x, dim))
        monkeypatch.setattr(utils, "log_softmax", lambda x, dim, onnx_trace=False: torch.log_softmax(x, dim))
        monkeypatch.setattr(torch.Tensor, "float", lambda x: x)
    precision: torch.dtype = request.param
    return precision


def test_adam64_is_fairseqs_adam() -> None:
    start = torch.randn(50)
    ours, theirs = start.double().requires_grad_(), start.clone().requires_grad_()
    mine, fairseqs = Adam64([ours]), FairseqAdam([theirs], lr=1e-3)
    for step in range(30):
        gradient = torch.randn(50) * 10.0 ** -(step % 9)
        ours.grad, theirs.grad = gradient.double(), gradient
        mine.step(1e-3)
        fairseqs.step()
    assert difference(ours.detach(), theirs.detach().double()) < 1e-6


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("sets", [EQUAL_SIZES, UNEQUAL_SIZES], ids=["equal sizes", "unequal sizes"])
@pytest.mark.parametrize("dropout", [False, True], ids=["no dropout", "dropout"])
def test_loss_and_gradients(name: str, sets: list[tuple], dropout: bool, dtype: torch.dtype) -> None:
    learner = sides.learner(name)
    models = sides.fairseq_models(learner, SEEDS, dtype)
    weights, batch = sides.parameters_of(learner, models), make_batch(sets, CPU, dtype)
    fused, gradients = sides.fused(learner, weights, batch)
    masks = sides.masks_of(learner, sets, batch, dtype).draw(torch.tensor(7)) if dropout else None
    with torch.no_grad():
        nats, d_logits = nll(fused.forward(masks or {}), batch)
        fused.backward(d_logits)
    for row, (model, one) in enumerate(zip(models, sets, strict=True)):
        loss = sides.fairseq_loss(model, one, masks, row)
        loss.backward()
        assert float(nats[row]) == pytest.approx(float(loss) * len(one), rel=TOLERANCES[dtype])
        ours = gradients.export(row)
        largest = max(float(p.grad.norm()) for p in model.parameters())
        for key, parameter in model.named_parameters():
            # gradients that are zero but for rounding have no relative difference
            scale = max(float(parameter.grad.norm()), 1e-2 * largest)
            assert float((ours[key] - parameter.grad).norm()) / scale < TOLERANCES[dtype], key


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dropout", [False, True], ids=["no dropout", "dropout"])
def test_weights_after_clipped_steps(name: str, dropout: bool, dtype: torch.dtype) -> None:
    learner = sides.learner(name, STEPS, clip_norm=0.1, adam_eps=1e-8, warmup_updates=10)
    models = sides.fairseq_models(learner, SEEDS, dtype)
    weights, batch = sides.parameters_of(learner, models), make_batch(UNEQUAL_SIZES, CPU, dtype)
    fused, gradients = sides.fused(learner, weights, batch)
    drawn = sides.masks_of(learner, UNEQUAL_SIZES, batch, dtype)
    schedule = Schedule.of(learner)
    adam, step_sizes = Adam(weights, schedule), schedule.step_sizes(0)
    masks = [drawn.draw(torch.tensor(update)) if dropout else None for update in range(STEPS)]
    clipped = 0
    for update in range(STEPS):
        with torch.no_grad():
            _, d_logits = nll(fused.forward(masks[update] or {}), batch)
            fused.backward(d_logits)
            clipped += int((gradients.norms() > schedule.clip_norm).sum())
            adam.step(weights, gradients, torch.tensor(step_sizes[update], dtype=torch.float64))
    assert clipped > STEPS
    for row, (model, one) in enumerate(zip(models, UNEQUAL_SIZES, strict=True)):
        parameters = list(model.parameters())
        optimizer = Optimizer(model, namespace(learner)) if dtype is torch.float32 else None
        adam64 = Adam64(parameters)
        for update in range(STEPS):
            model.zero_grad()
            sides.fairseq_loss(model, one, masks[update], row).backward()
            if optimizer is not None:
                optimizer.step(update, 1)
            else:
                torch.nn.utils.clip_grad_norm_(parameters, schedule.clip_norm)
                adam64.step(schedule.rate(update))
        ours = weights.export(row)
        both = [(ours[key].flatten(), value.detach().flatten()) for key, value in model.named_parameters()]
        assert difference(torch.cat([a for a, _ in both]), torch.cat([b for _, b in both])) < TOLERANCES[dtype]


@pytest.mark.parametrize("name", ["lstm-attention", "cnn"])
@pytest.mark.parametrize("few_rows", [64, 0], ids=["gathered", "multiplied out"])
def test_large_weights_of_a_single_model(
    name: str, few_rows: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients that are never multiplied out as a whole, in pieces that do not divide the weight, step alike."""
    monkeypatch.setattr(kernels_module, "LARGE", 1)
    monkeypatch.setattr(gradients_module, "FEW_ROWS", few_rows)
    learner = sides.learner(name, STEPS, clip_norm=0.1, warmup_updates=10)
    models, sets = sides.fairseq_models(learner, [1], dtype), UNEQUAL_SIZES[:1]
    weights, batch = sides.parameters_of(learner, models), make_batch(sets, CPU, dtype)
    fused, gradients = sides.fused(learner, weights, batch)
    masks = sides.masks_of(learner, sets, batch, dtype)
    schedule = Schedule.of(learner)
    adam, adam64 = Adam(weights, schedule), Adam64(list(models[0].parameters()))
    for update, step_size in enumerate(schedule.step_sizes(0)):
        drawn = masks.draw(torch.tensor(update))
        with torch.no_grad():
            _, d_logits = nll(fused.forward(drawn), batch)
            fused.backward(d_logits)
            assert bool(gradients.gathered) == bool(few_rows)
            adam.step(weights, gradients, torch.tensor(step_size, dtype=torch.float64))
        models[0].zero_grad()
        sides.fairseq_loss(models[0], sets[0], drawn).backward()
        torch.nn.utils.clip_grad_norm_(models[0].parameters(), schedule.clip_norm)
        adam64.step(schedule.rate(update))
    ours = weights.export(0)
    both = [(ours[key].flatten(), value.detach().flatten()) for key, value in models[0].named_parameters()]
    assert difference(torch.cat([a for a, _ in both]), torch.cat([b for _, b in both])) < TOLERANCES[dtype]


def test_schedule_is_fairseqs() -> None:
    learner = sides.learner("transformer", warmup_updates=7)
    optimizer = Optimizer(torch.nn.Linear(1, 1), namespace(learner))
    schedule = Schedule.of(learner)
    for update in range(25):
        assert schedule.rate(update) == pytest.approx(optimizer._optimizer.get_lr(), rel=1e-12)
        optimizer._schedule.step_update(update + 1)
