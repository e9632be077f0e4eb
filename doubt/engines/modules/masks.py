"""Dropout masks of any module from a counter-based generator: each number depends on where it stands, and nothing else.

As engine `fused` draws them: a 64-bit mixture of (training, example, update) and of the place. Here a place is the name
of the module that drops, the number of its call, and the indices of all dimensions after the batch, each counted from
an example's own first symbol. So neither padding nor the lockstep nor the device changes a mask.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from doubt.engines.fused.arrays import kernels

# They are private there, and stay so: another name would change that engine's hash, and with it every ledger.
from doubt.engines.fused.arrays.masks import _GOLDEN as GOLDEN
from doubt.engines.fused.arrays.masks import _hashed as hashed
from doubt.engines.fused.arrays.masks import _mixed as mixed
from doubt.engines.modules.sites import Found, Site


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
        rows = [[hashed(f"{key}/{place}") for place in row] for key, row in zip(keys, places, strict=True)]
        self._rows = torch.tensor(rows, device=device)
        counters = [_counters(site, each.shape[1:]) for site, each in found.items()]
        sizes = [len(each) for each in counters]
        limits = [torch.full((n,), _threshold(each.p)) for n, each in zip(sizes, found.values(), strict=True)]
        scales = [
            torch.full((n,), 1 / (1 - each.p) if each.p < 1 else 0.0, dtype=dtype)
            for n, each in zip(sizes, found.values(), strict=True)
        ]
        empty = torch.empty(0, dtype=torch.long)
        self._counters = torch.cat([empty, *counters]).to(device)
        self._thresholds = torch.cat([empty, *limits]).to(device)
        self._scales = torch.cat([empty.to(dtype), *scales]).to(device)

    def draw(self, update: int) -> dict[Site, Tensor]:
        """The masks of one update, each (models, batch, ...)."""
        if not self._shapes:
            return {}
        offset = (update * GOLDEN + 2**63) % 2**64 - 2**63
        if kernels.there_are(self._scales):
            kept = self._scales.new_empty(*self._rows.shape, len(self._counters))
            given = self._rows, self._counters, self._thresholds, self._scales, kept
            kernels.bound(kept.dtype, "draw_masks", *given, self._rows.numel(), len(self._counters), offset)()
        else:
            numbers = mixed(mixed(self._rows + offset)[..., None] + self._counters)
            kept = (numbers >= self._thresholds) * self._scales
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


def _threshold(p: float) -> int:
    """The signed 64-bit number below which a place is dropped, with probability p."""
    return min(round(p * 2**64) - 2**63, 2**63 - 1)
