"""Whether models that run together are what a plain PyTorch loop makes of each: measured, for no list would be whole.

Three seeds are updated a few times together, as the engine does it, and by themselves: the module as it is, autograd,
fairseq's Adam weight by weight. Batches hold several examples of unequal length, and dropout's masks are the same. What
differs beyond rounding is trained one by one, which is that plain loop. Here is also what else is measured of several
models: whether seeds start from different weights, and how long an update takes, by which jobs are cut.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn

from indoubt.data.vocabulary import EOS, JointVocabulary
from indoubt.engines.fused.batches import shape_of
from indoubt.engines.modules.contents import changed, contents_of
from indoubt.engines.modules.inputs import ModuleBatch
from indoubt.engines.modules.loader import Builder, trained_of
from indoubt.engines.modules.lockstep import ModuleLockstep
from indoubt.engines.modules.one_by_one import PlainTraining
from indoubt.engines.modules.overrides import ModuleSite
from indoubt.engines.modules.stacked_models import Maker
from indoubt.errors import said
from indoubt.learner import Learner
from indoubt.learners.trial import SETS, SOURCE, TARGET, VOCABULARY
from indoubt.training import Example, Protocol, Training

CPU = torch.device("cpu")
#: Updates, and how far losses and gradients may be apart, relative to themselves; gradients that are smaller than
#: `NEGLIGIBLE` of all of a model's are rounding.
UPDATES, TOLERANCE, NEGLIGIBLE = 3, 1e-3, 1e-3
#: From this many weights on, two seeds are compared and not three.
LARGE = 5_000_000
#: Steps at which weights move, from the first on: no warm-up, no clipping, which would make one fault everybody's.
FAST = {"lr": [1e-2], "warmup_init_lr": 1e-2, "warmup_updates": 1, "clip_norm": 0.0}


def difference(learner: Learner, builder: Builder) -> str | None:
    """Where models that run together differ from a plain loop, as a message says it, or None."""
    trainings = _trainings(learner, UPDATES)
    shape = shape_of(trainings[0].examples)
    maker = Maker(builder, VOCABULARY, CPU)
    if maker.weights >= LARGE:
        trainings = trainings[:2]
    try:
        together = ModuleLockstep(trainings, maker, shape, CPU, 0, fill=maker.together(shape) > 1)
    except Exception as error:
        return _of_vmap(error)
    plains = [PlainTraining(each, builder, shape, CPU, 0, _Masks(together, row)) for row, each in enumerate(trainings)]
    before: list[Snapshot] = []
    for _ in range(UPDATES):
        try:
            together.update()
        except Exception as error:
            return _of_vmap(error)
        for row, plain in enumerate(plains):
            plain.update()
            found = _of_update(together, row, plain)
            if found is not None:
                return found
        # Of those that run together nothing is put back after it, so that a change shows in the updates that follow.
        found = _of_evaluation(together, plains)
        if found is not None:
            return found
        before = before or [Snapshot(plain.module) for plain in plains]
    for snapshot in before:
        moved = snapshot.moved()
        if moved:
            return f"its forward pass changes {moved[0]} from update to update"
    return None


def trains_again(learner: Learner, builder: Builder) -> bool:
    """Whether a training in a plain loop gives the same bits when it resumes, in a new module, from a saved state; and
    when its module is not evaluated in between.
    """
    training = _trainings(learner, 2 * UPDATES)[0]
    whole, begun, resumed = (PlainTraining(training, builder, shape_of(training.examples), CPU, 0) for _ in range(3))
    for _ in range(UPDATES):
        begun.update()
    saved = io.BytesIO()
    torch.save(begun.state(), saved)
    saved.seek(0)
    resumed.take_up(torch.load(saved, weights_only=True), {0: 0}, UPDATES)
    resumed.done = UPDATES
    for _ in range(UPDATES):
        resumed.update()
    for update in range(2 * UPDATES):
        with whole.asked() as model, torch.no_grad():  # which must leave nothing behind either
            model.logits(whole.batches.at(update).inputs)
        whole.update()
    return bool(torch.equal(whole.weights.flat, resumed.weights.flat) and torch.equal(whole.nats, resumed.nats))


class Snapshot:
    """What a module holds at one time, and whether its forward pass has changed that since."""

    def __init__(self, module: nn.Module) -> None:
        self._module, self._before = module, contents_of(module)
        self._objects = _attributes(module)

    def moved(self, trained_too: bool = False) -> list[str]:
        """Names of frozen weights, buffers, attributes, and trained weights if asked, that hold something else now.

        Not of tensors that were put into an attribute anew and so may merely be kept
        to be looked at: where they count, numbers differ.
        """
        weights = self._module.named_parameters()
        trained = {name for name, weight in weights if weight.requires_grad and not trained_too}
        now = _attributes(self._module)
        return [
            name
            for name in changed(self._before, contents_of(self._module))
            if name not in trained and not (_holds_tensors(now.get(name)) and now[name] is not self._objects.get(name))
        ]


class _Masks:
    """One model's masks, of those that a lockstep draws."""

    def __init__(self, lockstep: ModuleLockstep, row: int) -> None:
        self._lockstep, self._row = lockstep, row

    def __call__(self, update: int, given: ModuleBatch) -> dict[ModuleSite, Tensor]:
        masks = self._lockstep.masks(update, self._lockstep.batches.at(update))
        return {site: mask[self._row] for site, mask in masks.items()}


def _trainings(learner: Learner, updates: int) -> list[Training]:
    """A training for each of three seeds, whose weights move fast."""
    fast = replace(learner, arguments=learner.arguments | FAST, updates=updates, batch_size=None)
    return [
        Training(fast, Protocol(), seed, SOURCE, TARGET, (examples,)) for seed, examples in enumerate(SETS, start=1)
    ]


def _of_update(together: ModuleLockstep, row: int, plain: PlainTraining) -> str | None:
    """Where one model's last update differs."""
    nats, expected = float(together.nats[row]), float(plain.nats)
    if not abs(nats - expected) <= TOLERANCE * max(1.0, abs(expected)):
        return f"together its loss differs by {abs(nats - expected):.2g} nats from a plain PyTorch loop's"
    ours = together.gradients.export(row)
    theirs = {name: weight.grad for name, weight in plain.module.named_parameters() if weight.grad is not None}
    least = NEGLIGIBLE * float(torch.stack([each.norm() for each in theirs.values()]).norm())
    for name, gradient in ours.items():
        other = theirs[name].view_as(gradient) if name in theirs else torch.zeros_like(gradient)
        apart = float((gradient - other).norm()) / max(float(other.norm()), least, 1e-30)
        if not apart <= TOLERANCE:
            return f"together the gradient of {name} differs by {apart:.1%} from a plain PyTorch loop's"
    return None


def _of_evaluation(together: ModuleLockstep, plains: Sequence[PlainTraining]) -> str | None:
    """Where logits in evaluation differ."""
    try:
        with torch.no_grad():
            ours = together.models.logits(together.batches.at(0).inputs, None)
    except Exception as error:
        return _of_vmap(error)
    for row, plain in enumerate(plains):
        with plain.asked() as model, torch.no_grad():
            apart = float((ours[row] - model.logits(plain.batches.at(0).inputs)[0]).abs().max())
        if not apart < TOLERANCE * max(1.0, float(ours[row].abs().max())):
            return f"together its logits in evaluation differ by {apart:.2g} from a plain PyTorch loop's"
    return None


def _of_vmap(error: Exception) -> str:
    return f"torch.func.vmap: {shorten(said(error).split(': ', 1)[-1], 110, placeholder=' ...')}"


def _attributes(module: nn.Module) -> dict[str, Any]:
    return {
        f"{path}.{name}" if path else name: value
        for path, owner in module.named_modules()
        for name, value in vars(owner).items()
    }


def _holds_tensors(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_tensors, value.values()))
    return isinstance(value, Tensor) or (isinstance(value, list | tuple) and any(map(_holds_tensors, value)))


@dataclass(frozen=True)
class SameStart:
    """Weights that two seeds start with alike (`equal`), why, and whether these are all that a module holds."""

    equal: list[str]
    why: str
    all_equal: bool


def same_start(builder: Builder, vocabulary: JointVocabulary) -> SameStart | None:
    """What two seeds have in common by chance or by mistake; None: what is alike in them is meant to be.

    Meant are constants, such as zeros for biases, and weights that differ; and what a pretrained model brings.
    """
    modules, streams = [], []
    for seed in (0, 1):
        modules.append(builder.module(vocabulary, seed))
        streams.append(torch.get_rng_state())
    seeded = torch.equal(*streams)
    one, other = (trained_of(module) for module in modules)
    equal = [name for name, weight in one.items() if torch.equal(weight, other[name])]
    if not changed(*map(contents_of, modules)):
        why = (
            "its constructor seeds torch's random numbers itself" if seeded else "its constructor draws none by chance"
        )
        return SameStart(equal, why, True)
    drawn = [name for name in equal if not bool((one[name] == one[name].flatten()[0]).all())]
    if seeded and drawn:
        return SameStart(drawn, "its constructor seeds torch's random numbers itself", False)
    return None


#: Updates that are timed; the fastest counts.
TIMED = 4
#: T of add-or-mul/5.
EXAMPLE = Example((4,) * 5 + (EOS,), (4,) * 10 + (EOS,))


def seconds_of(learner: Learner, examples: int) -> float:
    """Seconds of an update on so many of `EXAMPLE`, per model of a full lockstep, rounded to a power of sqrt(2)."""
    training = Training(learner, Protocol(), 1, SOURCE, TARGET, ((EXAMPLE,) * examples,))
    device = torch.device("cpu")
    builder, shape = Builder(learner), shape_of(training.examples)
    together, lockstep = 1, None
    if learner.arguments["together"]:
        maker = Maker(builder, VOCABULARY, device)
        together = maker.together(shape)
        lockstep = ModuleLockstep([training] * together, maker, shape, device, 0)
    trained = lockstep or PlainTraining(training, builder, shape, device, 0)
    times, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)  # as where it is trained; several that wait for each other would all be counted
    try:
        for _ in range(TIMED):
            started = time.process_time()
            trained.update()
            times.append(time.process_time() - started)
    finally:
        torch.set_num_threads(threads)
    return float(2.0 ** (round(2 * math.log2(max(min(times), 1e-6) / together)) / 2))
