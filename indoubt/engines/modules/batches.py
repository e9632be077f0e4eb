"""What the models of a lockstep are trained on at each update: all examples sent so far, or some drawn by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from indoubt.engines.fairseq.randomness import drawn_places
from indoubt.engines.fused.batches import Batch, Drawn, Shape, make_batch
from indoubt.engines.modules.inputs import Inputs, Takes, make_inputs, vocabulary_of
from indoubt.training import Training


@dataclass(frozen=True)
class Given:
    """One update's batch, and what modules are given of it."""

    batch: Batch
    inputs: Inputs


class Batches:
    """The batches of some trainings of one learner, one training per model, padded to `shape`.

    Which examples are drawn is `drawn_places`' decision, as of every engine; rows stand by falling source length.
    """

    def __init__(self, trainings: Sequence[Training], takes: Takes, shape: Shape, device: torch.device) -> None:
        self._trainings, self._takes, self._size = trainings, takes, trainings[0].learner.batch_size
        self._vocabularies = [vocabulary_of(training) for training in trainings]
        sets = [training.examples for training in trainings]
        if self._size is None:
            self._whole = self._given(make_batch(sets, device, shape=shape))
        else:
            self._drawn = Drawn(sets, self._size, shape, device)

    def at(self, update: int) -> Given:
        """The batch of an update; its `places` say which example, or which draw, stands in a row."""
        if self._size is None:
            return self._whole
        places = [drawn_places(each.key, update, len(each.examples), self._size) for each in self._trainings]
        return self._given(self._drawn.batch(places))

    def _given(self, batch: Batch) -> Given:
        inputs = make_inputs(self._takes, self._vocabularies, batch.source, batch.source_lengths, batch.previous)
        return Given(batch, inputs)
