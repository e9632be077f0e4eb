"""Each fused learner against separate fairseq models: loss, gradients, and weights after 20 clipped Adam steps.

The fused learner on the CPU, and on a GPU where there is one; fairseq's models always on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import side_by_side as sides
import torch
from fairseq.optim.adam import Adam as FairseqAdam
from side_by_side import EQUAL_SIZES, SMALL, UNEQUAL_SIZES, difference, examples
from torch import Tensor

import indoubt.engines.fused.kernels as kernels_module
import indoubt.engines.fused.parameters as gradients_module
from indoubt.engines.fairseq.optimizer import Optimizer
from indoubt.engines.fused.adam import Adam, Schedule, nll
from indoubt.engines.fused.batches import make_batch
from indoubt.engines.fused.parameters import Parameters
from indoubt.learner import Learner
from indoubt.learners.fairseq_definitions import namespace
from indoubt.training import Example
from tests.shared.double import Adam64, keep_double

SEEDS, STEPS = (1, 2, 3), 20
#: Relative difference in norm that rounding may make.
TOLERANCES = {torch.float32: 1e-5, torch.float64: 1e-10}
#: In which a step size is given to torch's Adam; on a GPU it is read in single precision, whatever the weights are in.
PRECISIONS = {"cpu": torch.float64, "cuda": torch.float32}


@pytest.fixture(params=[torch.float32, torch.float64], ids=["float32", "float64"])
def dtype(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    """A precision, which fairseq keeps."""
    if request.param is torch.float64:
        keep_double(monkeypatch)
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
def test_loss_and_gradients(
    name: str, sets: list[tuple], dropout: bool, dtype: torch.dtype, device: torch.device
) -> None:
    learner = sides.learner(name)
    models = sides.fairseq_models(learner, SEEDS, dtype)
    weights, batch = sides.parameters_of(learner, models, device), make_batch(sets, device, dtype)
    fused, gradients = sides.fused(learner, weights, batch)
    masks = sides.masks_of(learner, sets, batch, dtype).draw(torch.tensor(7, device=device)) if dropout else None
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
            assert float((ours[key].cpu() - parameter.grad).norm()) / scale < TOLERANCES[dtype], key


def fused_steps(
    learner: Learner,
    models: Sequence[Any],
    sets: Sequence[Sequence[Example]],
    dropout: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> tuple[Parameters, list[dict[str, Tensor] | None], int, int]:
    """Weights after clipped steps, each update's masks, how often a model was clipped, and a gradient kept gathered."""
    weights, batch = sides.parameters_of(learner, models, device), make_batch(sets, device, dtype)
    fused, gradients = sides.fused(learner, weights, batch)
    drawn = sides.masks_of(learner, sets, batch, dtype)
    masks = [drawn.draw(torch.tensor(update, device=device)) if dropout else None for update in range(STEPS)]
    schedule = Schedule.of(learner)
    adam, clipped, gathered = Adam(weights, schedule), 0, 0
    for mask, step_size in zip(masks, schedule.step_sizes(0), strict=True):
        with torch.no_grad():
            _, d_logits = nll(fused.forward(mask or {}), batch)
            fused.backward(d_logits)
            clipped += int((gradients.norms() > schedule.clip_norm).sum())
            gathered += len(gradients.gathered)
            adam.step(weights, gradients, torch.tensor(step_size, device=device, dtype=PRECISIONS[device.type]))
    return weights, masks, clipped, gathered


def fairseq_steps(
    learner: Learner, model: Any, one: Sequence[Example], masks: Sequence[dict[str, Tensor] | None], row: int
) -> None:
    """The same steps of one of fairseq's models."""
    schedule, parameters = Schedule.of(learner), list(model.parameters())
    single = parameters[0].dtype is torch.float32
    optimizer, adam64 = Optimizer(model, namespace(learner)), Adam64(parameters)
    for update, mask in enumerate(masks):
        model.zero_grad()
        sides.fairseq_loss(model, one, mask, row).backward()
        if single:
            optimizer.step(update, 1)
        else:
            torch.nn.utils.clip_grad_norm_(parameters, schedule.clip_norm)
            adam64.step(schedule.rate(update))


def check_weights(weights: Parameters, row: int, model: Any, dtype: torch.dtype) -> None:
    ours = weights.export(row)
    both = [(ours[key].cpu().flatten(), value.detach().flatten()) for key, value in model.named_parameters()]
    rounding = TOLERANCES[dtype] if weights.flat.device.type == "cpu" else max(TOLERANCES[dtype], 1e-8)
    assert difference(torch.cat([a for a, _ in both]), torch.cat([b for _, b in both])) < rounding


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("dropout", [False, True], ids=["no dropout", "dropout"])
@pytest.mark.parametrize("native", [True, False], ids=["C", "torch"])
def test_weights_after_clipped_steps(
    name: str,
    dropout: bool,
    native: bool,
    dtype: torch.dtype,
    device: torch.device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Several models, and neither with the kernels nor, as on a GPU, without them does it make a difference."""
    if native and device.type == "cuda":
        pytest.skip("the C code is for the CPU")
    if not native:
        monkeypatch.setattr(kernels_module, "_library", lambda dtype: None)
    learner = sides.learner(name, STEPS, clip_norm=0.1, adam_eps=1e-8, warmup_updates=10)
    models = sides.fairseq_models(learner, SEEDS, dtype)
    weights, masks, clipped, gathered = fused_steps(learner, models, UNEQUAL_SIZES, dropout, dtype, device)
    assert clipped > STEPS and not gathered
    for row, (model, one) in enumerate(zip(models, UNEQUAL_SIZES, strict=True)):
        fairseq_steps(learner, model, one, masks, row)
        check_weights(weights, row, model, dtype)


@pytest.mark.parametrize("name", ["lstm", "lstm-attention", "cnn"])
@pytest.mark.parametrize("few_rows", [64, 0], ids=["gathered", "multiplied out"])
def test_large_weights_of_a_single_model(
    name: str, few_rows: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done for large weights, here for sizes that no register and no block of rows divides."""
    monkeypatch.setattr(kernels_module, "LARGE", 1)
    monkeypatch.setattr(gradients_module, "FEW_ROWS", few_rows)
    learner = sides.learner(name, STEPS, clip_norm=0.1, warmup_updates=10)
    models, sets = sides.fairseq_models(learner, [1], dtype), UNEQUAL_SIZES[:1]
    weights, masks, clipped, gathered = fused_steps(learner, models, sets, True, dtype, sides.CPU)
    assert clipped and bool(gathered) == bool(few_rows)
    fairseq_steps(learner, models[0], sets[0], masks, 0)
    check_weights(weights, 0, models[0], dtype)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    "one", [examples("aaaaa>bbbbbbbbbb"), examples("abbab>a", "babba>b", "aabaa>b", "b>aabab")], ids=["1", "4"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str, indirect=True)
def test_learners_in_their_real_size(
    name: str, one: tuple[Example, ...], dtype: torch.dtype, device: torch.device, learner_of: Callable[..., Learner]
) -> None:
    learner = learner_of(name, updates=STEPS, clip_norm=2.0)
    models = sides.fairseq_models(learner, [1], dtype)
    weights, masks, clipped, gathered = fused_steps(learner, models, [one], True, dtype, device)
    assert clipped and bool(gathered) == (device.type == "cpu" and not name.startswith("transformer"))
    fairseq_steps(learner, models[0], one, masks, 0)
    check_weights(weights, 0, models[0], dtype)


def test_schedule_is_fairseqs() -> None:
    learner = sides.learner("transformer", warmup_updates=7)
    optimizer = Optimizer(torch.nn.Linear(1, 1), namespace(learner))
    schedule = Schedule.of(learner)
    for update in range(25):
        assert schedule.rate(update) == pytest.approx(optimizer._optimizer.get_lr(), rel=1e-12)
        optimizer._schedule.step_update(update + 1)
