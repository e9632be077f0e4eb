"""Padded sequences as rows of symbols, without the padding where a model is alone."""

from __future__ import annotations

import torch
from torch import Tensor


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
