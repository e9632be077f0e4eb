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

from indoubt.engines.backend import Backend, Keep
from indoubt.engines.devices import made_by
from indoubt.engines.fused.architectures import canonical
from indoubt.engines.fused.batches import Shape, shape_of
from indoubt.engines.loop import train
from indoubt.engines.modules.evaluation import evaluate
from indoubt.engines.modules.inputs import vocabulary_of
from indoubt.engines.modules.loader import Builder
from indoubt.engines.modules.lockstep import ModuleLockstep
from indoubt.engines.modules.one_by_one import OwnModule, PlainTraining
from indoubt.engines.modules.stacked_models import Maker
from indoubt.learner import Learner
from indoubt.training import Result, Training

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


class Modules(Backend[ModuleLockstep | PlainTraining]):
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

    def start(self, trainings: Sequence[Training], steps_before: int) -> ModuleLockstep | PlainTraining:
        shape = self.shape(trainings[0])
        if self._plain:
            return PlainTraining(trainings[0], self._builder, shape, self.device, steps_before)
        return ModuleLockstep(trainings, self._maker(trainings[0]), shape, self.device, steps_before)

    def evaluate(
        self, lockstep: ModuleLockstep | PlainTraining, asked: Sequence[Training], results: Sequence[Result]
    ) -> None:
        takes = self._builder.takes
        if isinstance(lockstep, PlainTraining):
            with lockstep.asked() as model:
                evaluate(asked, model, takes, results, 1)
        else:
            evaluate(asked, lockstep.models, takes, results, self._maker(asked[0]).together(lockstep.shape))

    def module(self, lockstep: ModuleLockstep | PlainTraining, row: int) -> torch.nn.Module:
        if isinstance(lockstep, PlainTraining):
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
