"""Intervals around a share and around a mean over seeds, degenerate cases said in words."""

from __future__ import annotations

import math
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95
#: Resamples of a bootstrap interval.
RESAMPLES = 9999
#: With fewer seeds than this a bootstrap interval is known to be too narrow, and says so.
FEW = 10
#: Values that differ by less than this, relative to the largest, are equal but for rounding.
EQUAL = 1e-12


@dataclass(frozen=True)
class Interval:
    """A confidence interval (level `LEVEL`); NaN where there is none, `note` then says why."""

    low: float
    high: float
    note: str = ""


def wilson(n: int, of: int) -> Interval:
    """Wilson's score interval of the share `n / of`; NaN for `of` = 0 (`no seeds`).

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927), by scipy.
    """
    if of == 0:
        return Interval(math.nan, math.nan, "no seeds")
    low, high = stats.binomtest(n, of).proportion_ci(LEVEL, method="wilson")
    return Interval(float(low), float(high))


def exact(n: float, of: int) -> Interval:
    """Clopper and Pearson's exact interval of the share `n / of`; NaN for `of` = 0 (`no seeds`).

    It has its level at any number of seeds, also where all agree: 2 of 2 seeds [.16, 1]. `n` need not be whole: a share
    that each seed gives in parts varies at most as much as one that it gives all or nothing.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934), by scipy.
    """
    if of == 0:
        return Interval(math.nan, math.nan, "no seeds")
    tail = (1 - LEVEL) / 2
    low = float(stats.beta.ppf(tail, n, of - n + 1)) if n > 0 else 0.0
    high = float(stats.beta.ppf(1 - tail, n + 1, of - n)) if n < of else 1.0
    return Interval(low, high)


def bca(values: Sequence[float], name: str) -> Interval:
    """Bias-corrected and accelerated bootstrap interval of the mean of `values`, in their unit.

    Args:
        values: one number per seed.
        name: what is measured; it seeds the resampling, so that an interval depends on nothing else in the table.

    Source: B. Efron, Journal of the American Statistical Association 82 (1987), by scipy.
    """
    n = len(values)
    if n == 0:
        return Interval(math.nan, math.nan, "no complete seed")
    if n == 1:
        return Interval(math.nan, math.nan, "one seed: no interval")
    if max(values) - min(values) <= EQUAL * max(map(abs, values)):
        return Interval(math.nan, math.nan, f"all {n} seeds equal")
    sample = np.asarray(values, dtype=float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is degenerate comes out as NaN
        interval = stats.bootstrap(
            (sample,),
            np.mean,
            n_resamples=RESAMPLES,
            confidence_level=LEVEL,
            method="BCa",
            rng=np.random.default_rng(zlib.crc32(name.encode())),
        ).confidence_interval
    low, high = float(interval.low), float(interval.high)
    if not (math.isfinite(low) and math.isfinite(high)):
        return Interval(math.nan, math.nan, f"bootstrap undefined on these {n} seeds")
    return Interval(low, high, f"{n} seeds: intervals of so few are too narrow" if n < FEW else "")
