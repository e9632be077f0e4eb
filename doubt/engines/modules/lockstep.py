"""One lockstep: trainings of one learner and one shape, updated together until all are done."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import torch

from doubt.engines.fused import subnormals
from doubt.engines.fused.arrays.batch import Batch, Shape, make_batch
from doubt.engines.fused.arrays.gradients import Gradients
from doubt.engines.fused.optimisation import Adam, Schedule, nll
from doubt.engines.fused.stacked import StackedLockstep
from doubt.engines.modules.inputs import Inputs, make_inputs, vocabulary_of
from doubt.engines.modules.masks import SiteMasks
from doubt.engines.modules.models import Maker, filled_up
from doubt.engines.reference.randomness import independent_stream
from doubt.training import Training


class Lockstep(StackedLockstep):
    """Trainings in progress, row by row in stacked weights; behind them stand rows that fill the lockstep up."""

    def __init__(
        self,
        trainings: Sequence[Training],
        maker: Maker,
        shape: Shape,
        device: torch.device,
        steps_before: int,
    ) -> None:
        """
        Args:
            trainings: of one learner, with dictionaries of one size; as many as the maker allows.
            shape: what their batches are padded to.
            steps_before: steps that Adam's moments have seen in earlier blocks of the same chains.
        """
        super().__init__(trainings)
        self.shape = shape
        together = len(trainings) > 1 or maker.together(shape) > 1  # a GPU may have less room than it had
        #: For each model the training that it does.
        self.rows = filled_up(range(len(trainings)), together, device)
        rows = [self.trainings[row] for row in self.rows]
        learner = rows[0].learner
        self.models = maker.make([training.seed for training in rows], together)
        self._schedule = Schedule.of(learner)
        self._batch_size = learner.batch_size
        self.weights = self.models.weights
        self.adam = Adam(self.models.weights, self._schedule)
        self._gradients = Gradients(self.models.weights)
        batch = self._batch = make_batch([training.examples for training in rows], device, shape=shape)
        vocabularies = [vocabulary_of(training) for training in rows]
        self._inputs = make_inputs(maker.takes, vocabularies, batch.source, batch.source_lengths, batch.previous)
        self._keys = [training.key for training in rows]
        places = batch.places
        if self._batch_size is not None:
            places = [list(range(self._batch_size))] * len(rows)
        _, drawn = self._drawn(0)
        self._masks = SiteMasks(self.models.sites(drawn), self._keys, places, device)
        precision = torch.float32 if device.type == "cuda" else torch.float64
        self._step_sizes = torch.tensor(self._schedule.step_sizes(steps_before), device=device, dtype=precision)

    def advance(self, most: int) -> int:
        """Update all models once: masks, forward, loss, backward, step."""
        with subnormals.taken_for_zero():
            self._update()
        return 1

    def _update(self) -> None:
        if not self.models.together:  # what else draws random numbers, draws from a stream of its own
            independent_stream(self._keys[0], self.done)
        batch, inputs = self._drawn(self.done)
        logits = self.models.logits(inputs, self._masks.draw(self.done))
        with torch.no_grad():
            nats, d_logits = nll(logits.detach(), batch)
        leaves = self.models.leaves
        of_leaves = torch.autograd.grad(logits, list(leaves.values()), d_logits, allow_unused=True)
        with torch.no_grad():
            for name, gradient in zip(leaves, of_leaves, strict=True):
                if gradient is not None:  # it has none where the loss does not depend on the weight
                    self._gradients.values[name].view_as(gradient).copy_(gradient)
            self.adam.step(self.models.weights, self._gradients, self._step_sizes[self.done])
        self.nats = nats

    def _drawn(self, update: int) -> tuple[Batch, Inputs]:
        """The batch of an update: all examples sent so far, or `batch_size` of them drawn with replacement."""
        if self._batch_size is None:
            return self._batch, self._inputs
        chosen = torch.tensor(
            [
                random.Random(f"{key}/{update}").choices(range(int(n)), k=self._batch_size)
                for key, n in zip(self._keys, self._batch.sentences.tolist(), strict=True)
            ],
            device=self._batch.target.device,
        )
        along = chosen[..., None].expand(-1, -1, self._batch.target.size(2))
        batch = replace(
            self._batch,
            target=self._batch.target.gather(1, along),
            target_mask=self._batch.target_mask.gather(1, along),
            sentences=torch.full_like(self._batch.sentences, self._batch_size),
        )
        return batch, self._inputs.rows(chosen)
