"""Engine `modules`: any mix of seeds, blocks and candidates of a learner that is a PyTorch module, trained together.

On the CPU a training's result does not depend, to the last bit, on which others share the process: locksteps are filled
up to a multiple of 8 models, times to even numbers, and MKL is told to compute products alike wherever they lie in
memory. On CUDA it does not to rounding.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from indoubt.engines.backend import Backend, Keep
from indoubt.engines.devices import made_by
from indoubt.engines.fused import stacked
from indoubt.engines.fused.adam import Adam, Schedule, nll
from indoubt.engines.fused.batches import Shape, shape_of
from indoubt.engines.fused.capacity import canonical
from indoubt.engines.fused.parameters import Gradients
from indoubt.engines.fused.stacked import StackedLockstep
from indoubt.engines.loop import train
from indoubt.engines.modules.evaluation import evaluate
from indoubt.engines.modules.inputs import Batches, Given, vocabulary_of
from indoubt.engines.modules.loader import Builder
from indoubt.engines.modules.one_by_one import OwnModule, Plain
from indoubt.engines.modules.overrides import Site
from indoubt.engines.modules.stacked_models import Maker, SiteMasks, filled_up
from indoubt.training import Learner, Result, Training


class Lockstep(StackedLockstep):
    """Trainings in progress, row by row in stacked weights; behind them stand rows that fill the lockstep up."""

    def __init__(
        self,
        trainings: Sequence[Training],
        maker: Maker,
        shape: Shape,
        device: torch.device,
        steps_before: int,
        fill: bool = True,
    ) -> None:
        """
        Args:
            trainings: of one learner, with dictionaries of one size; as many as the maker allows.
            shape: what their batches are padded to.
            steps_before: steps that Adam's moments have seen in earlier blocks of the same chains.
            fill: whether to fill the lockstep up, where a model's bits must not depend on how many there are.
        """
        super().__init__(trainings)
        self.shape = shape
        together = len(trainings) > 1 or maker.together(shape) > 1  # a GPU may have less room than it had
        #: For each model the training that it does.
        self.rows = filled_up(range(len(trainings)), together and fill, device)
        rows = [self.trainings[row] for row in self.rows]
        learner = rows[0].learner
        self.models = maker.make([training.seed for training in rows], together)
        self._schedule = Schedule.of(learner)
        self.weights = self.models.weights
        self.adam = Adam(self.models.weights, self._schedule)
        self.gradients = Gradients(self.models.weights)
        self.batches = Batches(rows, maker.takes, shape, device)
        first = self.batches.at(0)
        keys = [training.key for training in rows]
        self._masks = SiteMasks(self.models.sites(first.inputs), keys, first.batch.places, device)
        self._drawn = learner.batch_size is not None
        precision = torch.float32 if device.type == "cuda" else torch.float64
        self._step_sizes = torch.tensor(self._schedule.step_sizes(steps_before), device=device, dtype=precision)

    def advance(self, most: int) -> int:
        """Update all models once: masks, forward, loss, backward, step."""
        with stacked.taken_for_zero():
            self._update()
        return 1

    def masks(self, update: int, given: Given) -> dict[Site, Tensor]:
        """The masks of an update, whose batch is `given`: each (models, batch, ...)."""
        if self._drawn:
            self._masks.move(given.batch.places)
        return self._masks.draw(update)

    def _update(self) -> None:
        given = self.batches.at(self.done)
        logits = self.models.logits(given.inputs, self.masks(self.done, given))
        with torch.no_grad():
            nats, d_logits = nll(logits.detach(), given.batch)
        leaves = self.models.leaves
        of_leaves = torch.autograd.grad(logits, list(leaves.values()), d_logits, allow_unused=True)
        with torch.no_grad():
            for name, gradient in zip(leaves, of_leaves, strict=True):
                value = self.gradients.values[name]
                if gradient is None:  # the loss does not depend on the weight
                    value.zero_()
                else:
                    value.view_as(gradient).copy_(gradient)
            self.adam.step(self.models.weights, self.gradients, self._step_sizes[self.done])
        self.nats = nats


#: Before MKL's first product: its results are then independent of how operands are aligned, at no cost.
os.environ.setdefault("MKL_CBWR", "AUTO")


def train_chains(
    chains: Sequence[Sequence[Training]],
    device: torch.device,
    *,
    state_folder: Path | None = None,
    keep: Keep | None = None,
) -> Iterator[Result]:
    """Train chains of one learner and yield each training's result as it is there, in any order.

    Args:
        chains: each one training, or, where Adam is carried over, those of blocks 0, 1, ... of one seed and dataset.
        device: where to train. On the CPU torch is set to one thread.
        state_folder: where unfinished locksteps are saved every two minutes and on SIGTERM, which then ends the process
            with status 143. What is found there of the trainings asked for is not begun anew. None: nothing is saved.
        keep: called after each training that did not diverge.
    """
    if not chains:
        return
    _prepare(device)
    yield from train(chains, Modules(chains[0][0].learner, device), state_folder=state_folder, keep=keep)


def evaluate_kept(training: Training, module: torch.nn.Module, device: torch.device) -> Result:
    """The result of a training whose module was kept: scored and decoded, not trained again."""
    _prepare(device)
    started = time.monotonic()
    builder, vocabulary = Builder(training.learner), vocabulary_of(training)
    result = made_by(Result(training.key, "ok", 0.0, training.learner.updates), "modules", device)
    evaluate([training], OwnModule(module, vocabulary.target_symbols, device), builder.takes, [result], 1)
    result.seconds = time.monotonic() - started
    return result


def _prepare(device: torch.device) -> None:
    if device.type == "cpu":
        torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    warnings.filterwarnings("ignore", "There is a performance drop because we have not yet implemented the batching")


class Modules(Backend[Lockstep | Plain]):
    """Any module, its weights stacked; or each as it is, where that would change what it computes."""

    name = "modules"

    def __init__(self, learner: Learner, device: torch.device) -> None:
        super().__init__(device)
        self._builder = Builder(learner)
        self._plain = not learner.arguments["together"]
        self._makers: dict[tuple[int, int, int], Maker] = {}

    def alike(self, training: Training) -> Hashable:
        return self.shape(training), vocabulary_of(training).sizes

    def shape(self, training: Training) -> Shape:
        """What a training's batch is padded to."""
        return canonical(shape_of(training.examples), self.device)

    def capacity(self, training: Training) -> int:
        return 1 if self._plain else self._maker(training).together(self.shape(training))

    def start(self, trainings: Sequence[Training], steps_before: int) -> Lockstep | Plain:
        shape = self.shape(trainings[0])
        if self._plain:
            return Plain(trainings[0], self._builder, shape, self.device, steps_before)
        return Lockstep(trainings, self._maker(trainings[0]), shape, self.device, steps_before)

    def evaluate(self, lockstep: Lockstep | Plain, asked: Sequence[Training], results: Sequence[Result]) -> None:
        takes = self._builder.takes
        if isinstance(lockstep, Plain):
            with lockstep.asked() as model:
                evaluate(asked, model, takes, results, 1)
        else:
            evaluate(asked, lockstep.models, takes, results, self._maker(asked[0]).together(lockstep.shape))

    def module(self, lockstep: Lockstep | Plain, row: int) -> torch.nn.Module:
        if isinstance(lockstep, Plain):
            return lockstep.module.eval()
        training = lockstep.trainings[row]
        module = self._builder.module(vocabulary_of(training), training.seed)
        own = dict(module.named_parameters())
        with torch.no_grad():
            for name, value in lockstep.weights.export(row).items():
                own[name].copy_(value.view_as(own[name]))
        return module.eval()

    def _maker(self, training: Training) -> Maker:
        vocabulary = vocabulary_of(training)
        if vocabulary.sizes not in self._makers:
            self._makers[vocabulary.sizes] = Maker(self._builder, vocabulary, self.device)
        return self._makers[vocabulary.sizes]
