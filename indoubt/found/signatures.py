"""How far the seeds of a cell agree with each other, and what their outputs look like: no rule is needed for it."""

from __future__ import annotations

import math
from statistics import median

import numpy as np
from scipy import stats

from indoubt.found.cells import Responses
from indoubt.found.consensus import entropy_bits, fleiss, modal
from indoubt.found.held_out import best_given, categories, interval, mean, within_one
from indoubt.found.kinds import CUT_OFF, of_kind
from indoubt.found.library import LENGTHS, Library, Numbers
from indoubt.measures.fpa import CELL
from indoubt.measures.intervals import LEVEL
from indoubt.measures.rows import ORIGIN, PROTOCOL, Row

SIGNATURE_COLUMNS = [
    *[*CELL, "n_fit", "n_inputs", "consensus", "consensus_ci_low", "consensus_ci_high"],
    *["fleiss_kappa", "kappa_ci_low", "kappa_ci_high", "entropy_bits", "n_distinct"],
    *["of_t", "copies", "same_length", "same_symbols", "cut_off"],
    *["slope_below", "slope_below_ci_low", "slope_below_ci_high"],
    *["slope_above", "slope_above_ci_low", "slope_above_ci_high", "within_one_of", "within_one", "ci_note"],
    *[*PROTOCOL, *ORIGIN],
]


def signature(library: Library, made: Responses) -> Row:
    """The row of a cell, over all its seeds that fit T; NaN for what one seed cannot tell."""
    name = "/".join(map(str, made.cell))
    numbers = made.numbers(library, made.fitting)
    row: Row = dict(zip(CELL, made.cell, strict=True)) | {"n_fit": len(numbers), "n_inputs": len(library.inputs)}
    row |= made.about
    if not len(numbers):
        return row
    kappa, kappa_low, kappa_high = fleiss(categories(library, numbers))
    row |= {"fleiss_kappa": kappa, "kappa_ci_low": kappa_low, "kappa_ci_high": kappa_high}
    row |= {"entropy_bits": entropy_bits(numbers), "n_distinct": len({seed.tobytes() for seed in numbers})}
    row |= _consensus(numbers, name) | _outputs(library, numbers)
    return row | (_lengths(library, numbers) if library.grammar == LENGTHS else {"within_one_of": ""})


def _consensus(numbers: Numbers, name: str) -> Row:
    """The share of answers of one half of the seeds that are those of most of the other half."""
    if len(numbers) < 2:
        return {"consensus": math.nan, "ci_note": "one seed: no interval"}
    shares = np.zeros(len(numbers))
    for half in (0, 1):
        shares[1 - half :: 2] = (numbers[1 - half :: 2] == modal(numbers[half::2])).mean(axis=1)
    found = interval(shares, f"{name}/consensus")
    about = {"consensus": mean(shares), "consensus_ci_low": found.low, "consensus_ci_high": found.high}
    return about | {"ci_note": found.note}


def _outputs(library: Library, numbers: Numbers) -> Row:
    """Shares of outputs that are T's, the input, as long as it, its symbols in some order, or cut off."""
    of_t = set(library.training.values())
    return {
        "of_t": of_kind(library, numbers, lambda _, output: output in of_t).mean(),
        "copies": of_kind(library, numbers, lambda source, output: output == source).mean(),
        "same_length": of_kind(library, numbers, lambda source, output: len(output) == len(source)).mean(),
        "same_symbols": of_kind(library, numbers, lambda source, output: sorted(output) == sorted(source)).mean(),
        "cut_off": of_kind(library, numbers, lambda _, output: len(output) >= CUT_OFF).mean(),
    }


def _lengths(library: Library, numbers: Numbers) -> Row:
    """Symbols of output for a symbol of input, from T to the shortest and to the longest input of H."""
    n, m = max(map(len, library.training)), max(map(len, library.training.values()))
    ns = np.array([len(source) for source in library.inputs])
    lengths = np.array([len(output) for output in library.outputs.said])[numbers]
    row: Row = {}
    for side, place in (("below", int(ns.argmin())), ("above", int(ns.argmax()))):
        is_there = ns[place] < n if side == "below" else ns[place] > n
        slopes = sorted(float(lengths[seed, place] - m) / float(ns[place] - n) + 0.0 for seed in range(len(lengths)))
        low, high = median_interval(slopes) if is_there else (math.nan, math.nan)
        row[f"slope_{side}"] = median(slopes) if is_there else math.nan
        row |= {f"slope_{side}_ci_low": low, f"slope_{side}_ci_high": high}
    given = best_given(library, numbers)
    row["within_one_of"] = given.name if given else ""
    row["within_one"] = within_one(library, numbers, given.rule).mean() if given else math.nan
    return row


def median_interval(ordered: list[float]) -> tuple[float, float]:
    """The interval of a median that no distribution is assumed for: between two of the values, of rising order.

    Source: as many values are below the median as heads are thrown; ranks by the binomial distribution, by scipy.
    """
    if len(ordered) < 6:  # of five values even the least and the largest leave out more than 5 %
        return math.nan, math.nan
    rank = int(stats.binom.ppf((1 - LEVEL) / 2, len(ordered), 0.5))
    while rank > 0 and 2 * stats.binom.cdf(rank - 1, len(ordered), 0.5) > 1 - LEVEL:
        rank -= 1
    rank = max(rank, 1)
    return ordered[rank - 1], ordered[-rank]
