"""The examples of many trainings as one padded batch with a leading model axis: all, or some drawn by chance."""

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


class Drawn:
    """All examples of many trainings, padded once, of which batches are put together by their places.

    Args:
        sets: for each model its examples in the order of sending.
        size: how many are drawn for an update.
        shape: what a batch is padded to; it covers the longest examples, so that no number depends on the others drawn.
    """

    def __init__(self, sets: Sequence[Sequence[Example]], size: int, shape: Shape, device: torch.device) -> None:
        most = max(map(len, sets))
        everything = Shape(most, shape.source, shape.target)
        self._all = make_batch(sets, torch.device("cpu"), shape=everything)
        self._size, self._device = size, device
        self._row_of = torch.empty(len(sets), most, dtype=torch.long)
        for model, places in enumerate(self._all.places):
            self._row_of[model, torch.tensor(places)] = torch.arange(most)

    def batch(self, places: Sequence[Sequence[int]]) -> Batch:
        """The batch of the examples at some places, for each model `size` of them, as they were drawn.

        The batch's own `places` say which draw stands in a row: an example that is drawn twice is two rows, each with
        dropout of its own.
        """
        rows = self._row_of.gather(1, torch.tensor(places))
        order = self._all.source_lengths.gather(1, rows).argsort(dim=1, descending=True, stable=True)
        rows = rows.gather(1, order)
        source, previous, target = (
            each.gather(1, rows[..., None].expand(-1, -1, each.size(2)))
            for each in (self._all.source, self._all.previous, self._all.target)
        )
        lengths = self._all.source_lengths.gather(1, rows)
        occupied = torch.arange(source.size(2)) < lengths[..., None]
        mask = self._all.target_mask.gather(1, rows[..., None].expand(-1, -1, target.size(2)))
        sentences = torch.full((rows.size(0),), float(self._size))
        places, steps = order.tolist(), (active(occupied), active(mask > 0))
        source, lengths, previous, target, mask, sentences = (
            each.to(self._device) for each in (source, lengths, previous, target, mask, sentences)
        )
        return Batch(source, lengths, previous, target, mask, sentences, places, *steps)


class Packing:
    """What a learner that treats each symbol by itself computes: one row for each place, or for each symbol only.

    Models that share a lockstep keep their padding: how much of it all of them have depends on the others.

    Attributes:
        lengths: rows of each sequence, (models * batch,), sequences one after another.
        present: 1 for a symbol and 0 for padding, (models, rows, 1); None: there is no padding left.
    """

    def __init__(self, mask: Tensor, dtype: torch.dtype, *, alone: bool) -> None:
        """`mask` (models, batch, time) is true, or not zero, at symbols, with which each sequence starts."""
        _, self.batch, self.time = mask.shape
        symbols = mask.bool().flatten(1)
        full = bool(symbols.all())
        self.places = symbols[0].nonzero().squeeze(1) if alone and not full else None
        self.present = None if alone or full else symbols[..., None].to(dtype)
        of_each = mask.bool().sum(2).flatten()
        self.lengths = torch.full_like(of_each, self.time) if self.places is None else of_each

    def pack(self, x: Tensor) -> Tensor:
        """(models, batch, time, features) -> (models, rows, features)."""
        x = x.flatten(1, 2)
        return x if self.places is None else x.index_select(1, self.places)

    def unpack(self, x: Tensor) -> Tensor:
        """(models, rows, features) -> (models, batch, time, features), zero at padding that has no row."""
        if self.places is not None:
            symbols, x = x, x.new_zeros(x.size(0), self.batch * self.time, x.size(2))
            x.index_copy_(1, self.places, symbols)
        return x.view(x.size(0), self.batch, self.time, x.size(2))

    def only_present(self, x: Tensor) -> Tensor:
        """(models, rows, features), zero at padding."""
        return x if self.present is None else x * self.present


def packed(mask: Tensor | None, rows: Packing) -> Tensor | None:
    """A dropout mask (models, batch, time, features), if there is one, for rows of symbols."""
    return None if mask is None else rows.pack(mask)
