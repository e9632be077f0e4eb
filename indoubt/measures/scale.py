"""A scale for code lengths: what a code costs that knows nothing, and whether seeds fall into two groups."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from indoubt.data.task import Task
from indoubt.data.vocabulary import vocabularies

#: A code shorter than this counts as this when logarithms are taken (bits).
FLOOR = 1e-7
#: Below this number of seeds no shape of a distribution is told.
ENOUGH = 10


@lru_cache(maxsize=4096)
def uniform_bits(task: Task, size: int, candidate: str, in_context: bool = False) -> float:
    """Bits of the uniform code for a candidate's hold-out outputs: log2 of the vocabulary per symbol, `</s>` included.

    The vocabulary is that of the candidate's dataset, filling included, as the learner's softmax is over all of it. A
    language model that is read `in_context` is asked for the task's own symbols and the end alone.
    """
    _, target = vocabularies(task, size, candidate)
    symbols = sum(len(output) + 1 for _, output in task.holdout_set(size, candidate))
    return symbols * math.log2(len(target.own) + 1 if in_context else len(target))


def dip_p(bits: Sequence[float]) -> float:
    """p of Hartigan's dip test on the logarithms of code lengths: small if seeds fall into two groups or more.

    NaN for fewer than `ENOUGH` seeds, and where the package diptest, which does it, is not installed. Source: J. A. and
    P. M. Hartigan, Annals of Statistics 13 (1985).
    """
    if len(bits) < ENOUGH:
        return math.nan
    try:
        from diptest import diptest  # type: ignore[import-untyped]
    except ModuleNotFoundError:
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(diptest(np.log10(np.maximum(np.asarray(bits, dtype=float), FLOOR)))[1])
