"""Do seeds do the same at all? What most of them give, and how far they agree: no language of rules is needed."""

from __future__ import annotations

import math

import numpy as np
from statsmodels.stats.inter_rater import fleiss_kappa

from indoubt.found.library import Numbers


def modal(responses: Numbers) -> Numbers:
    """For each input the output that most seeds give, the first of equals: no one rule can give more of them."""
    return np.array([np.bincount(column).argmax() for column in responses.T])


def entropy_bits(responses: Numbers) -> float:
    """The entropy of the outputs of an input over seeds, mean over inputs, in bits."""
    of_inputs = []
    for column in responses.T:
        shares = np.unique(column, return_counts=True)[1] / len(column)
        of_inputs.append(float(-(shares * np.log2(shares)).sum()))
    return max(0.0, sum(of_inputs) / len(of_inputs))


def fleiss(categories: Numbers) -> tuple[float, float, float]:
    """Fleiss' kappa, the agreement of seeds beyond chance, with a 95 % interval by the jackknife over seeds.

    A bootstrap would draw a seed twice, which agrees with itself.

    Args:
        categories: (seeds, inputs), numbers of outputs that are the same for all inputs.

    Source: J. L. Fleiss, Psychological Bulletin 76 (1971), by statsmodels.
    """
    n_seeds = len(categories)
    counts = np.zeros((categories.shape[1], int(categories.max()) + 1))
    rows = np.arange(categories.shape[1])
    for seed in categories:
        counts[rows, seed] += 1
    if n_seeds < 2 or (counts.sum(axis=0) > 0).sum() < 2:
        return math.nan, math.nan, math.nan
    kappa = float(fleiss_kappa(counts))
    without = []
    for seed in categories if n_seeds > 2 else ():
        counts[rows, seed] -= 1
        without.append(float(fleiss_kappa(counts)) if (counts.sum(axis=0) > 0).sum() > 1 else kappa)
        counts[rows, seed] += 1
    if not without:
        return kappa, math.nan, math.nan
    spread = math.sqrt((n_seeds - 1) * float(np.var(without)))
    return kappa, kappa - 1.96 * spread, kappa + 1.96 * spread
