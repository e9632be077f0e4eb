"""Two candidates' code lengths, compared seed by seed: same seed, same initial weights and order of examples."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from indoubt.measures.intervals import EQUAL, Interval, bca
from indoubt.statistics.permutations import sign_flip

#: A corrected p below this counts.
ALPHA = 0.05
#: Power at which the number of seeds is said that would settle an open question.
POWER = 0.8
#: Numbers of seeds above this are said as "more than".
MANY = 1000
NAN = math.nan


@dataclass(frozen=True)
class Paired:
    """Differences a - b of some seeds, in bits; negative: a's code is the shorter one.

    p-values are two-sided: `p_signflip` of the mean under random signs (the main one), Wilcoxon's signed ranks,
    paired t; NaN where a test is not defined. `rank_biserial` (-1 to 1) and `dz` (mean / standard deviation) are
    effect sizes; `settle` is the number of seeds at which a paired t-test at level ALPHA / `n_family` would find a
    difference of this dz with power POWER (`MANY` + 1 if more than that; 0 where it cannot be said).
    """

    n: int
    mean: float
    median: float
    interval: Interval
    p_signflip: float
    p_wilcoxon: float
    p_t: float
    rank_biserial: float
    dz: float
    n_a_shorter: int
    n_b_shorter: int


def compare(a: NDArray[np.float64], b: NDArray[np.float64], name: str) -> Paired:
    """Compare code lengths (bits) `a` and `b` of the same seeds; `name` seeds the resampling.

    Source: sign flips: E. J. G. Pitman (1937); signed ranks: F. Wilcoxon (1945), effect by D. S. Kerby (2014).
    """
    d = a - b
    d = np.where(np.abs(d) <= EQUAL * np.maximum(np.abs(a), np.abs(b)), 0.0, d)  # rounding is no difference
    n = len(d)
    if n == 0:
        return Paired(0, NAN, NAN, bca([], name), NAN, NAN, NAN, NAN, NAN, 0, 0)
    return Paired(
        n=n,
        mean=float(d.mean()),
        median=float(np.median(d)),
        interval=bca(d.tolist(), name),
        p_signflip=sign_flip(d, name),
        p_wilcoxon=_wilcoxon(d),
        p_t=_paired_t(d),
        rank_biserial=_rank_biserial(d),
        dz=_dz(d),
        n_a_shorter=int((d < 0).sum()),
        n_b_shorter=int((d > 0).sum()),
    )


def _dz(d: NDArray[np.float64]) -> float:
    if len(d) < 2 or _equal(d) or d.std(ddof=1) == 0:
        return NAN
    return float(d.mean() / d.std(ddof=1))


def _equal(d: NDArray[np.float64]) -> bool:
    """Whether all differences are the same but for rounding: no spread, so no t and no effect size."""
    return bool(np.ptp(d) <= EQUAL * np.abs(d).max())


def _wilcoxon(d: NDArray[np.float64]) -> float:
    if len(d) < 2:
        return math.nan
    if not d.any():
        return 1.0
    return float(stats.wilcoxon(d).pvalue)


def _paired_t(d: NDArray[np.float64]) -> float:
    if len(d) < 2 or _equal(d):
        return math.nan
    return float(stats.ttest_1samp(d, 0.0).pvalue)


def _rank_biserial(d: NDArray[np.float64]) -> float:
    """Share of rank sum that is positive less the share that is negative, zeros left out."""
    d = d[d != 0]
    if len(d) == 0:
        return math.nan
    ranks = stats.rankdata(np.abs(d))
    return float((ranks * np.sign(d)).sum() / ranks.sum())


def mcnemar_p(n_a: int, n_b: int) -> float:
    """Exact McNemar p of `n_a` seeds that follow a alone against `n_b` that follow b alone; 1 if there are none.

    Source: Q. McNemar, Psychometrika 12 (1947), by statsmodels.
    """
    if n_a + n_b == 0:
        return 1.0
    return float(mcnemar([[0, n_a], [n_b, 0]], exact=True).pvalue)


def corrected(p: list[float], method: str) -> list[float]:
    """p-values corrected for being many, `holm` or `fdr_bh`; an undefined one counts as 1 and stays undefined."""
    if not p:
        return []
    filled = [1.0 if math.isnan(value) else value for value in p]
    adjusted: Any = multipletests(filled, method=method)[1]
    return [math.nan if math.isnan(raw) else float(value) for raw, value in zip(p, adjusted, strict=True)]


def needed_to_test(n_family: int) -> int:
    """The fewest seeds with which a sign-flip test (or McNemar's) among `n_family` can reject after Holm's correction.

    The smallest two-sided p of n seeds is 2 / 2^n: n = 4 .125, 5 .0625, 6 .031, 8 .008, 10 .002.
    """
    n = 2
    while n_family * 2.0 ** (1 - n) >= ALPHA:
        n += 1
    return n


def needed_to_settle(dz: float, n_family: int) -> int:
    """Seeds at which a paired t-test at ALPHA / `n_family` finds an effect `dz` with power POWER; 0 if undefined."""
    if math.isnan(dz) or dz == 0:
        return 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        test = TTestPower()
        if test.power(abs(dz), MANY, ALPHA / n_family) < POWER:
            return MANY + 1
        low, high = 2, MANY
        while low < high:
            middle = (low + high) // 2
            enough = test.power(abs(dz), middle, ALPHA / n_family) >= POWER
            low, high = (low, middle) if enough else (middle + 1, high)
    return low
