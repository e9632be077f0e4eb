"""Dropout masks of any module, from the counter-based generator that the fused learners have.

A place is numbered by the name of the module that drops, the number of its call, and the indices of all dimensions
after the batch, each counted from an example's own first symbol.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from indoubt.engines.fused.dropout import GOLDEN, NumberedPlaces, hashed, mixed, rows_of
from indoubt.engines.modules.sites import Found, Site


class SiteMasks:
    """The masks of a lockstep's models at each update."""

    def __init__(
        self,
        found: Mapping[Site, Found],
        keys: Sequence[str],
        places: Sequence[Sequence[int]],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """
        Args:
            found: each site's shape, batch first, and probability, as a forward pass over such a batch has them.
            keys: identity of each model's training.
            places: for each model and row, which of its training's examples stands there.
        """
        self._shapes = {site: each.shape[1:] for site, each in found.items()}
        self._rows = rows_of(keys, places, device)
        self._stand = places  # which example stands in each of them
        counters = [_counters(site, shape) for site, shape in self._shapes.items()]
        self._places = NumberedPlaces(counters, [each.p for each in found.values()], device, dtype)

    def move(self, places: Sequence[Sequence[int]]) -> None:
        """From now on the examples, or draws, stand in other rows: for each model and row, which."""
        device = self._rows.device
        of_place = torch.empty_like(self._rows)
        of_place.scatter_(1, torch.tensor(self._stand, device=device), self._rows)
        self._rows, self._stand = of_place.gather(1, torch.tensor(places, device=device)), places

    def draw(self, update: int) -> dict[Site, Tensor]:
        """The masks of one update, each (models, batch, ...)."""
        if not self._shapes:
            return {}
        kept = self._places.draw(self._rows, update)
        parts = kept.split([math.prod(shape) for shape in self._shapes.values()], -1)
        return {
            site: part.unflatten(-1, (*shape, 1)).squeeze(-1)
            for (site, shape), part in zip(self._shapes.items(), parts, strict=True)
        }


def _counters(site: Site, shape: Sequence[int]) -> Tensor:
    """A number for each place of a site, (places,): the site's name and call and one index after the other, mixed."""
    counters = torch.tensor([hashed(f"{site.module}/{site.call}")])
    for size in shape:
        counters = mixed(counters[:, None] + torch.arange(1, size + 1) * GOLDEN).flatten()
    return counters
