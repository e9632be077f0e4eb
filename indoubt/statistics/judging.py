"""What seeds allow to say of a claim: supported, contradicted, undecided, or too few seeds to say anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

from indoubt.measures.intervals import exact
from indoubt.statistics.paired import needed_to_test

SUPPORTED, CONTRADICTED, UNDECIDED, TOO_FEW = "supported", "contradicted", "undecided", "too few seeds"
#: With fewer seeds no test decides anything: the smallest two-sided p of n seeds is 2 / 2^n, that of five .0625.
FEWEST = needed_to_test(1)
#: "All" and "none" are supported where more exceptions than this share are excluded; one exception refutes them.
EXCEPTIONS = 0.05
#: Numbers of seeds are said up to this one.
MOST = 2000


@dataclass(frozen=True)
class Outcome:
    """What one cell says about a claim; `run`: whether it could say anything; `n`: its seeds."""

    state: str
    why: str
    run: bool = False
    n: int = 0


def too_few(said: str, n: int, needed: int) -> Outcome:
    """So many seeds can decide nothing, so many are needed."""
    return Outcome(TOO_FEW, f"{said}: {n} seed{'s' * (n != 1)}, {needed} needed", run=True, n=n)


def by_count(n: float, of: int, said: str, wanted: tuple[float, float]) -> Outcome:
    """Whether the share `n / of` lies in a range, by its exact interval.

    Args:
        n: seeds of the kind; a share of responses counts each seed in part.
        wanted: the range, both ends included.
    """
    interval = exact(n, of)
    seen = f"{said} [{interval.low:.2f}, {interval.high:.2f}]"
    fewest = fewest_to_support(*wanted)
    if of >= FEWEST and _inside(interval.low, interval.high, wanted):
        return Outcome(SUPPORTED, seen, run=True, n=of)
    if of >= FEWEST and _outside(interval.low, interval.high, wanted):
        return Outcome(CONTRADICTED, seen, run=True, n=of)
    needed = _needed(n / of, wanted, of)
    if of < fewest:
        return Outcome(TOO_FEW, f"{seen}: {needed or fewest} seeds needed", run=True, n=of)
    more = f"about {needed} seeds would settle it" if needed else "too close to the bound to be settled"
    return Outcome(UNDECIDED, f"{seen}: {more}", run=True, n=of)


def without_exception(exceptions: int, of: int, what: str, verb: str) -> Outcome:
    """Whether something holds of all seeds: one exception refutes it.

    Without any it is supported once more than EXCEPTIONS of them are excluded.
    """
    if exceptions:
        return Outcome(CONTRADICTED, f"{exceptions} {what} {verb}", run=True, n=of)
    seen = f"0 {what} {verb} [0.00, {exact(0, of).high:.2f}]"
    needed = fewest_to_support(0.0, EXCEPTIONS)
    if of < needed:
        return Outcome(TOO_FEW, f"{seen}: {needed} seeds needed", run=True, n=of)
    return Outcome(SUPPORTED, seen, run=True, n=of)


def by_interval(said: str, low: float, high: float, wanted: tuple[float, float], n: int) -> Outcome:
    """What the interval of a mean over n seeds says about a range in which the mean must lie."""
    if n < FEWEST:
        return too_few(said, n, FEWEST)
    if math.isnan(low):
        return Outcome(UNDECIDED, f"{said}, n = {n}: no interval", run=True, n=n)
    seen = f"{said} [{low:.2g}, {high:.2g}], n = {n}"
    state = SUPPORTED if _inside(low, high, wanted) else CONTRADICTED if _outside(low, high, wanted) else UNDECIDED
    return Outcome(state, seen, run=True, n=n)


def _inside(low: float, high: float, wanted: tuple[float, float]) -> bool:
    return wanted[0] <= low and high <= wanted[1]


def _outside(low: float, high: float, wanted: tuple[float, float]) -> bool:
    return high < wanted[0] or low > wanted[1]


@lru_cache
def fewest_to_support(low: float, high: float) -> int:
    """The fewest seeds that could support a share between two bounds, were they all as one could wish."""
    for n in _numbers():
        best = n if high >= 1 else 0 if low <= 0 else round(n * (low + high) / 2)
        interval = exact(best, n)
        if _inside(interval.low, interval.high, (low, high)):
            return n
    return MOST


@lru_cache
def _needed(share: float, wanted: tuple[float, float], of: int) -> int:
    """The fewest seeds, more than `of` and up to MOST, at which a share like this would be decided; 0 if none."""
    for n in (each for each in _numbers() if each > of):
        interval = exact(round(share * n), n)
        if _inside(interval.low, interval.high, wanted) or _outside(interval.low, interval.high, wanted):
            return n
    return 0


def _numbers() -> list[int]:
    return [*range(FEWEST, 200), *range(200, MOST + 1, 20)]
