"""Dropout masks from a counter-based generator: each number is a function of where it stands, and of nothing else.

The mask at one place is decided by a 64-bit mixture of (training, example, update) and (site, position, feature), all
counted within the training itself: position from the example's own first symbol, example in the order of sending. So
neither padding nor the other trainings of a lockstep nor the device change a mask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from doubt.engines.fused.arrays import kernels

# Constants of the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), as signed 64-bit integers.
_MULTIPLIERS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
_SHIFTS = (30, 27, 31)
_GOLDEN = 0x9E3779B97F4A7C15 - 2**64

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
        rows = [[_hashed(f"{key}/{place}") for place in row] for key, row in zip(keys, places, strict=True)]
        self._rows = torch.tensor(rows, device=device)
        self._of_place = torch.empty_like(self._rows).scatter_(1, torch.tensor(places, device=device), self._rows)
        counters, thresholds, scales = [], [], []
        for number, site in enumerate(sites):
            if site.probability == 0:
                continue
            time, features = torch.arange(site.time)[:, None], torch.arange(site.features)
            counters.append(((number << 48) + (time << 24) + features).flatten())
            extent = (site.time * site.features,)
            thresholds.append(torch.full(extent, round(site.probability * 2**64) - 2**63))
            scales.append(torch.full(extent, 1 / (1 - site.probability), dtype=dtype))
        empty = torch.empty(0, dtype=torch.long)
        self._counters = _mixed(torch.cat([empty, *counters]) * _GOLDEN).to(device)
        self._thresholds = torch.cat([empty, *thresholds]).to(device)
        self._scales = torch.cat([empty.to(dtype), *scales]).to(device)

    def move(self, places: Sequence[Sequence[int]]) -> None:
        """From now on other examples stand in the rows: for each model and row, which."""
        self._rows = self._of_place.gather(1, torch.tensor(places, device=self._rows.device))

    def draw(self, update: Tensor) -> dict[str, Tensor]:
        """The masks of one update, whose number is a tensor of shape ()."""
        if kernels.there_are(self._scales):
            kept = self._scales.new_empty(*self._rows.shape, len(self._counters))
            offset = (int(update) * _GOLDEN + 2**63) % 2**64 - 2**63
            given = self._rows, self._counters, self._thresholds, self._scales, kept
            kernels.bound(kept.dtype, "draw_masks", *given, self._rows.numel(), len(self._counters), offset)()
        else:
            rows = _mixed(self._rows + update * _GOLDEN)
            numbers = _mixed(rows[..., None] + self._counters)
            kept = (numbers >= self._thresholds) * self._scales
        masks, start = {}, 0
        for site in self._sites:
            end = start + site.time * site.features
            masks[site.name] = kept[..., start:end].unflatten(2, (site.time, site.features))
            start = end
        return masks


def _hashed(text: str) -> int:
    """64 bits of a text's hash, as a signed integer."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)


def _mixed(x: Tensor) -> Tensor:
    """A bijection of 64-bit integers after which every bit of the result depends on every bit of `x`; changes `x`."""
    for shift, multiplier in zip(_SHIFTS, (*_MULTIPLIERS, None), strict=True):
        # torch shifts arithmetically: clear the copies of the sign.
        x ^= (x >> shift).bitwise_and_((1 << (64 - shift)) - 1)
        if multiplier is not None:
            x *= multiplier
    return x
