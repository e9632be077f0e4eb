"""Batches drawn by chance: for each model and update some of its examples, with replacement."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from indoubt.engines.fused.arrays.batch import Batch, Shape, active, make_batch
from indoubt.training import Example


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
