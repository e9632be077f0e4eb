"""One lockstep: trainings of one learner and one shape, updated together until all are done."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from indoubt.engines.fused import stacked
from indoubt.engines.fused.adam import Adam, Schedule, nll
from indoubt.engines.fused.batches import Shape
from indoubt.engines.fused.parameters import Gradients
from indoubt.engines.fused.stacked import StackedLockstep
from indoubt.engines.modules.inputs import Batches, ModuleBatch
from indoubt.engines.modules.overrides import ModuleSite
from indoubt.engines.modules.stacked_models import Maker, SiteMasks, filled_up
from indoubt.training import Training


class ModuleLockstep(StackedLockstep):
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

    def masks(self, update: int, given: ModuleBatch) -> dict[ModuleSite, Tensor]:
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
