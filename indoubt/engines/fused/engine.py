"""Engine `fused`: any mix of seeds, blocks and candidates of a learner, trained together.

On the CPU a training's result does not depend, to the last bit, on which others share the process: it shares a lockstep
only with trainings that its own data pads to the same shape. On CUDA it does so to rounding.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from pathlib import Path

import torch

from indoubt.engines.backend import Backend, Keep
from indoubt.engines.fairseq.models import build_model, dictionaries_of
from indoubt.engines.fused.architectures import canonical, models_together, supports
from indoubt.engines.fused.batches import Shape
from indoubt.engines.fused.evaluation import evaluate
from indoubt.engines.fused.lockstep import FusedLockstep, in_c, shape_of_training
from indoubt.engines.loop import train
from indoubt.training import Result, Training

#: The shape of all trainings that are done in C, where each has its own.
UNPADDED = Shape(0, 0, 0)


def train_chains(
    chains: Sequence[Sequence[Training]],
    device: torch.device,
    *,
    state_folder: Path | None = None,
    keep: Keep | None = None,
) -> Iterator[Result]:
    """Train chains of one learner and yield each training's result as it is there, in any order (`loop.train`).

    Args:
        chains: each one training, of any seed, block and candidate, or, where Adam is carried over, those of blocks
            0, 1, ... of one seed and dataset.
        device: where to train. On the CPU torch is set to one thread.

    Raises:
        ValueError: the learner or the protocol has no fused form (see `supports`).
    """
    for chain in chains:
        reason = supports(chain[0].learner, chain[0].protocol)
        if reason is not None:
            raise ValueError(reason)
        if len(chain) > 1 and chain[0].protocol.adam_state == "fresh":
            raise ValueError("a chain of several trainings, but Adam starts fresh: give each training by itself")
    if device.type == "cpu":
        torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    yield from train(chains, Fused(device), state_folder=state_folder, keep=keep)


class Fused(Backend[FusedLockstep]):
    """fairseq's learners with a leading model axis."""

    name = "fused"

    def __init__(self, device: torch.device) -> None:
        super().__init__(device)
        self._sizes: list[int] = []

    def alike(self, training: Training) -> Hashable:
        return self.shape(training), len(training.source_symbols), len(training.target_symbols)

    def shape(self, training: Training) -> Shape:
        """What a training's batch is padded to.

        Nothing, where it has a lockstep for itself anyway, or is done in C; nor on a GPU what is trained on T alone,
        which is the same for all seeds and candidates.
        """
        if in_c(training.learner, self.device):
            return UNPADDED
        shape = shape_of_training(training)
        if self.device.type == "cpu":
            return shape if self._together(training, shape) == 1 else canonical(shape, self.device)
        return shape if len(training.blocks) == 1 else canonical(shape, self.device)

    def capacity(self, training: Training) -> int:
        return self._together(training, self.shape(training))

    def start(self, trainings: Sequence[Training], steps_before: int) -> FusedLockstep:
        return FusedLockstep(trainings, self.shape(trainings[0]), self.device, steps_before)

    def evaluate(self, lockstep: FusedLockstep, asked: Sequence[Training], results: Sequence[Result]) -> None:
        evaluate(asked, lockstep.weights, results, self._together(asked[0], lockstep.shape))

    def module(self, lockstep: FusedLockstep, row: int) -> torch.nn.Module:
        training = lockstep.trainings[row]
        model = build_model(training.learner, *dictionaries_of(training)).to(self.device)
        model.load_state_dict(model.state_dict() | lockstep.weights.export(row))
        return model.eval()

    def _together(self, training: Training, shape: Shape) -> int:
        """How many models like a training's fit into one lockstep."""
        if not self._sizes:
            model = build_model(training.learner, *dictionaries_of(training))
            self._sizes = [parameter.numel() for parameter in model.parameters()]
        return models_together(training.learner, self._sizes, shape, self.device)
