"""Dropout masks of a fused learner, from a counter-based generator (`numbered.py`).

A place is numbered within the training itself: by its site, the position counted from the example's own first symbol,
and the feature; examples in the order of sending.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from indoubt.engines.fused.arrays.numbered import GOLDEN, NumberedPlaces, mixed, rows_of

#: Dropout masks by site, each (models, batch, time, features); a site without dropout is missing.
Masks = Mapping[str, Tensor]


@dataclass(frozen=True)
class Site:
    """A place in a learner where dropout acts: its extent in time and features, and its probability."""

    name: str
    time: int
    features: int
    probability: float


class DropoutMasks:
    """The masks of a lockstep's models at each update."""

    def __init__(
        self,
        sites: Sequence[Site],
        keys: Sequence[str],
        places: Sequence[Sequence[int]],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """
        Args:
            sites: all of the learner's, in its own order; the number of a site is its place here.
            keys: identity of each model's training, which includes its seed and block.
            places: for each model and row, which of its training's examples stands there.
        """
        self._sites = [site for site in sites if site.probability > 0]
        self._rows = rows_of(keys, places, device)
        self._of_place = torch.empty_like(self._rows).scatter_(1, torch.tensor(places, device=device), self._rows)
        self._places = numbered_places(sites, device, dtype)

    def move(self, places: Sequence[Sequence[int]]) -> None:
        """From now on other examples stand in the rows: for each model and row, which."""
        self._rows = self._of_place.gather(1, torch.tensor(places, device=self._rows.device))

    def draw(self, update: Tensor) -> dict[str, Tensor]:
        """The masks of one update, whose number is a tensor of shape ()."""
        parts = self._places.draw(self._rows, update).split([site.time * site.features for site in self._sites], -1)
        return {
            site.name: part.unflatten(2, (site.time, site.features))
            for site, part in zip(self._sites, parts, strict=True)
        }


def numbered_places(sites: Sequence[Site], device: torch.device, dtype: torch.dtype) -> NumberedPlaces:
    """The places of all sites that have dropout, one site after another."""
    counters = [_counters(number, site) for number, site in enumerate(sites) if site.probability > 0]
    return NumberedPlaces(counters, [site.probability for site in sites if site.probability > 0], device, dtype)


def _counters(number: int, site: Site) -> Tensor:
    """A number for each place of a site, (time * features,)."""
    time, features = torch.arange(site.time)[:, None], torch.arange(site.features)
    return mixed(((number << 48) + (time << 24) + features).flatten() * GOLDEN)
