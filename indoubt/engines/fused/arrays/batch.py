"""The examples of many trainings as one padded batch with a leading model axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from indoubt.data.vocabulary import EOS, PAD
from indoubt.training import Example, Ids


@dataclass(frozen=True)
class Shape:
    """Examples, longest source and longest target (`</s>` included) of a batch; 0 targets where there are none."""

    batch: int
    source: int
    target: int

    def covering(self, other: Shape) -> Shape:
        """The smallest shape into which both fit."""
        pairs = zip((self.batch, self.source, self.target), (other.batch, other.source, other.target), strict=True)
        return Shape(*(max(pair) for pair in pairs))


def shape_of(examples: Sequence[Example]) -> Shape:
    """The shape that a training's examples need."""
    return Shape(len(examples), max(len(e.source) for e in examples), max(len(e.target) for e in examples))


@dataclass(frozen=True)
class Batch:
    """All sequences are padded on the right. Rows stand by descending source length, empty rows at the end.

    Attributes:
        source: (models, batch, source time) ids; an empty row is a single `</s>`.
        source_lengths: (models, batch).
        previous: (models, batch, target time) ids, the target after `</s>`.
        target: (models, batch, target time) ids.
        target_mask: (models, batch, target time), 1 for a symbol and 0 for padding.
        sentences: (models,), how many examples each model has.
        places: for each model and row the example's place in the order of sending; empty rows count on.
        active_sources: for each source time how many leading rows reach it in any model; `active_targets` alike.
    """

    source: Tensor
    source_lengths: Tensor
    previous: Tensor
    target: Tensor
    target_mask: Tensor
    sentences: Tensor
    places: list[list[int]]
    active_sources: list[int]
    active_targets: list[int]

    @property
    def source_mask(self) -> Tensor:
        """(models, batch, source time), true for a symbol and false for padding."""
        times = torch.arange(self.source.size(2), device=self.source.device)
        return times < self.source_lengths[..., None]


def make_batch(
    sets: Sequence[Sequence[Example]],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    shape: Shape | None = None,
) -> Batch:
    """The batch that holds one set of examples per model.

    Args:
        sets: for each model its examples in the order of sending.
        shape: pad to this; None: to the largest of the sets.
    """
    if shape is None:
        shape = shape_of(sets[0])
        for examples in sets[1:]:
            shape = shape.covering(shape_of(examples))
    size = (len(sets), shape.batch)
    source = torch.full((*size, shape.source), PAD)
    target = torch.full((*size, shape.target), PAD)
    lengths = torch.ones(size, dtype=torch.long)
    source[:, :, 0] = EOS
    places = []
    for model, examples in enumerate(sets):
        order = sorted(range(len(examples)), key=lambda place: -len(examples[place].source))
        for row, place in enumerate(order):
            example = examples[place]
            lengths[model, row] = len(example.source)
            source[model, row, : len(example.source)] = torch.tensor(example.source)
            target[model, row, : len(example.target)] = torch.tensor(example.target)
        places.append(order + list(range(len(order), shape.batch)))
    previous = torch.full_like(target, PAD)
    previous[:, :, 1:] = target[:, :, :-1].masked_fill(target[:, :, :-1] == EOS, PAD)
    previous[:, :, :1] = EOS
    occupied = torch.arange(shape.source) < lengths[..., None]
    return Batch(
        source.to(device),
        lengths.to(device),
        previous.to(device),
        target.to(device),
        (target != PAD).to(device, dtype),
        torch.tensor([len(examples) for examples in sets], device=device, dtype=dtype),
        places,
        active(occupied),
        active(target != PAD),
    )


def source_batch(sets: Sequence[Sequence[Ids]], device: torch.device, dtype: torch.dtype = torch.float32) -> Batch:
    """The batch of sources without targets."""
    return make_batch([[Example(source, ()) for source in sources] for sources in sets], device, dtype)


def active(occupied: Tensor) -> list[int]:
    """For each time, one more than the last row that is occupied in any model; (models, batch, time) booleans."""
    rows = torch.arange(1, occupied.size(1) + 1)[:, None]
    if occupied.size(2) == 0:
        return []
    return [int(n) for n in (occupied.any(0) * rows).amax(0)]
