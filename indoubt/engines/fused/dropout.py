"""Dropout masks from a counter-based generator: each number is a function of where it stands, and of nothing else.

A place is numbered within the training itself: by its site, the position counted from the example's own first symbol,
and the feature; examples in the order of sending. The mask at one place is decided by a 64-bit mixture of (training,
example, update) and of the place. So neither padding nor the other trainings of a lockstep nor the device
change a mask.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from indoubt.engines.fused import kernels

# Constants of the finaliser of SplitMix64 (Steele, Lea and Flood, 2014), as signed 64-bit integers.
_MULTIPLIERS = (0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
_SHIFTS = (30, 27, 31)
GOLDEN = 0x9E3779B97F4A7C15 - 2**64


class NumberedPlaces:
    """Places at which dropout acts in each example of a lockstep, in one row."""

    def __init__(
        self, counters: Sequence[Tensor], probabilities: Sequence[float], device: torch.device, dtype: torch.dtype
    ) -> None:
        """
        Args:
            counters: for each site a mixed number for each of its places.
            probabilities: of dropping, for each site.
        """
        sizes, empty = [len(each) for each in counters], torch.empty(0, dtype=torch.long)
        thresholds = [torch.full((n,), _threshold(p)) for n, p in zip(sizes, probabilities, strict=True)]
        scales = [1 / (1 - p) if p < 1 else 0.0 for p in probabilities]
        filled = [torch.full((n,), scale, dtype=dtype) for n, scale in zip(sizes, scales, strict=True)]
        self.counters = torch.cat([empty, *counters]).to(device)
        self.thresholds = torch.cat([empty, *thresholds]).to(device)
        self.scales = torch.cat([empty.to(dtype), *filled]).to(device)

    def draw(self, rows: Tensor, update: Tensor | int) -> Tensor:
        """What each place of each example is multiplied by at one update: (models, batch, places).

        Args:
            rows: (models, batch), a hash of each example and its training.
            update: its number, as a tensor of shape () where a GPU records the drawing.
        """
        if kernels.there_are(self.scales):
            kept = self.scales.new_empty(*rows.shape, len(self.counters))
            offset = (int(update) * GOLDEN + 2**63) % 2**64 - 2**63
            given = rows, self.counters, self.thresholds, self.scales, kept
            kernels.bound(kept.dtype, "draw_masks", *given, rows.numel(), len(self.counters), offset)()
            return kept
        # in torch, also where the number is Python's: integers of any size wrap around there alone
        mixed_rows = mixed(rows + torch.as_tensor(update, device=rows.device) * GOLDEN)
        return (mixed(mixed_rows[..., None] + self.counters) >= self.thresholds) * self.scales


def rows_of(keys: Sequence[str], places: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    """A hash of each example that stands in a lockstep's rows and of its training, (models, batch).

    Args:
        keys: identity of each model's training, which includes its seed and block.
        places: for each model and row, which of its training's examples stands there.
    """
    rows = [[hashed(f"{key}/{place}") for place in row] for key, row in zip(keys, places, strict=True)]
    return torch.tensor(rows, device=device)


def hashed(text: str) -> int:
    """64 bits of a text's hash, as a signed integer."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], signed=True)


def mixed(x: Tensor) -> Tensor:
    """A bijection of 64-bit integers after which every bit of the result depends on every bit of `x`; changes `x`."""
    for shift, multiplier in zip(_SHIFTS, (*_MULTIPLIERS, None), strict=True):
        # torch shifts arithmetically: clear the copies of the sign.
        x ^= (x >> shift).bitwise_and_((1 << (64 - shift)) - 1)
        if multiplier is not None:
            x *= multiplier
    return x


def _threshold(p: float) -> int:
    """The signed 64-bit number below which a place is dropped, with probability p."""
    return min(round(p * 2**64) - 2**63, 2**63 - 1)


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
