"""Permutation tests by all permutations where these can be counted, so that a p is as small as it is.

Where they cannot be, signs are drawn from where the extreme ones are, and classes a million times over: a table of many
rows asks for p-values far below what some thousand permutations can give.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.special import gammaln

#: Differences up to which all signs are counted, by halves of 2^16 sums each.
ALL_SIGNS = 32
#: Signs drawn beyond, from the tilted distribution.
SIGNS = 49_999
#: Outcomes of classes that are counted one by one, and draws where there are more.
OUTCOMES, DRAWS = 2_000_000, 999_999
#: Sums that differ by less, relative to the largest, are equal up to rounding.
ROUNDING = 1e-12

Numbers = NDArray[np.float64]


def sign_flip(d: Numbers, name: str) -> float:
    """p of the mean of differences under random signs, two-sided; 1 if all are zero, NaN for fewer than two.

    Source: E. J. G. Pitman, Supplement to the Journal of the Royal Statistical Society 4 (1937).
    """
    if len(d) < 2:
        return math.nan
    size = np.abs(d[d != 0])
    far = abs(float(d.sum())) - ROUNDING * float(size.sum())
    if far <= 0:
        return 1.0
    if len(size) <= ALL_SIGNS:
        return _by_all_signs(size, far)
    return _by_tilted_signs(size, far, np.random.default_rng(zlib.crc32(name.encode())))


def _by_all_signs(size: Numbers, far: float) -> float:
    """Of all sums of signed differences, the share that lies as far from 0."""
    left, right = (_sums(half) for half in (size[::2], size[1::2]))
    right.sort()
    n = int((len(right) - np.searchsorted(right, far - left)).sum())
    return min(1.0, 2 * n / 2.0 ** len(size))


def _sums(size: Numbers) -> Numbers:
    sums = np.zeros(1)
    for each in size:
        sums = np.concatenate([sums - each, sums + each])
    return sums


def _by_tilted_signs(size: Numbers, far: float, rng: np.random.Generator) -> float:
    """The same share, estimated: signs are drawn so that sums lie about as far out, and weighted back.

    Source: D. Siegmund, Annals of Statistics 4 (1976): importance sampling by exponential tilting.
    """
    if far >= float(size.sum()) * (1 - 4 * ROUNDING):  # all point one way: of all signs two are as far out
        return float(2.0 ** (1 - len(size)))

    def excess(theta: float) -> float:
        return float((size * np.tanh(theta * size)).sum()) - far

    high = 1.0 / float(size.max())
    while excess(high) < 0:
        high *= 2
    theta = optimize.brentq(excess, 0.0, high)
    x = theta * size
    norm = float((x + np.log1p(np.exp(-2 * x)) - math.log(2)).sum())  # the sum of log cosh(x)
    plus = 1 / (1 + np.exp(-2 * x))
    sums = np.where(rng.random((SIGNS, len(size))) < plus, size, -size).sum(axis=1)
    weights = np.exp(norm - theta * sums[sums >= far])
    return float(min(1.0, 2 * weights.sum() / SIGNS))


def changed_classes(before: Sequence[str], after: Sequence[str]) -> float:
    """p of how much the numbers of seeds per class changed, each seed's two classes swapped or not at random.

    The distance is the sum of squared changes. With two classes it is exact McNemar.

    Args:
        before, after: the class of each seed, in the same order.
    """
    moves = Counter((min(pair), max(pair)) for pair in zip(before, after, strict=True) if pair[0] != pair[1])
    labels = sorted({label for pair in moves for label in pair})
    net = Counter(after)
    net.subtract(Counter(before))
    far = sum(n * n for n in net.values())
    counted = math.prod(n + 1 for n in moves.values()) <= OUTCOMES
    changes, weights = np.zeros((1 if counted else DRAWS, len(labels)), dtype=np.int64), np.ones(1)
    rng = np.random.default_rng(0)
    for (one, other), n in moves.items():
        moved = np.arange(n + 1) if counted else rng.binomial(n, 0.5, DRAWS)
        step = np.zeros((len(moved), len(labels)), dtype=np.int64)
        step[:, labels.index(other)], step[:, labels.index(one)] = 2 * moved - n, n - 2 * moved
        if counted:
            changes = (changes[:, None, :] + step[None, :, :]).reshape(-1, len(labels))
            weights = np.outer(weights, stats.binom.pmf(moved, n, 0.5)).ravel()
        else:
            changes += step
    as_far = (changes**2).sum(axis=1) >= far
    return float(min(1.0, weights[as_far].sum())) if counted else float((1 + as_far.sum()) / (1 + DRAWS))


def independent_classes(counts: NDArray[np.int64]) -> float:
    """p of Fisher's exact test (Fisher, Freeman and Halton's) of how two samples fall into classes.

    Args:
        counts: classes by samples, n x 2.

    Source: G. H. Freeman and J. H. Halton, Biometrika 38 (1951).
    """
    counts = counts[counts.sum(axis=1) > 0]
    counts = counts[np.argsort(counts.sum(axis=1))]  # the largest class is what the others leave
    rows, n = counts.sum(axis=1), int(counts[:, 0].sum())
    if math.prod(int(row) + 1 for row in rows[:-1]) <= OUTCOMES:
        grid = np.meshgrid(*(np.arange(row + 1) for row in rows[:-1]), indexing="ij")
        others = np.stack([axis.ravel() for axis in grid], axis=1) if len(rows) > 1 else np.zeros((1, 0), dtype=int)
        tables = np.column_stack([others, n - others.sum(axis=1)])
        p = _probability(tables[(tables[:, -1] >= 0) & (tables[:, -1] <= rows[-1])], rows, n)
        return float(min(1.0, p[p <= _probability(counts[None, :, 0], rows, n) * (1 + 1e-7)].sum()))
    tables = np.random.default_rng(0).multivariate_hypergeometric(rows, n, size=DRAWS)
    as_rare = _probability(tables, rows, n) <= _probability(counts[None, :, 0], rows, n) * (1 + 1e-7)
    return float((1 + as_rare.sum()) / (1 + DRAWS))


def _probability(tables: NDArray[np.int64], rows: NDArray[np.int64], n: int) -> Numbers:
    """Of the first sample's counts per class, given all counts per class and its size."""
    total = int(rows.sum())
    of_rows = (_log_choose(rows, tables)).sum(axis=1)
    return np.asarray(np.exp(of_rows - _log_choose(np.array(total), np.array(n))), dtype=np.float64)


def _log_choose(n: NDArray[np.int64], k: NDArray[np.int64]) -> Numbers:
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), dtype=np.float64)
