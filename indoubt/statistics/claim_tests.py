"""What seeds allow to say of a claim, on one cell or on several pooled: supported, contradicted, undecided, too few."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import pandas as pd

from indoubt.data.codes import FIRST, TASK, CodeKind
from indoubt.data.seeds import parse_seeds
from indoubt.measures.code_length import COMPLETE
from indoubt.measures.intervals import exact
from indoubt.schema import CELL, KIND
from indoubt.schema.wording import share, span
from indoubt.statistics.paired import needed_to_test
from indoubt.statistics.preferences import DESCRIPTIVE, NOT_MEASURED

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


def too_few(numbers: str, n: int, needed: int) -> Outcome:
    """So many seeds can decide nothing, so many are needed."""
    return Outcome(TOO_FEW, f"{numbers}: {n} seed{'s' * (n != 1)}, {needed} needed", run=True, n=n)


def by_count(n: float, of: int, numbers: str, bounds: tuple[float, float]) -> Outcome:
    """Whether the share `n / of` lies in a range, by its exact interval.

    Args:
        n: seeds of the kind; a share of responses counts each seed in part.
        bounds: the range, both ends included.
    """
    interval = exact(n, of)
    evidence = f"{numbers} {span(interval.low, interval.high, share)}"
    fewest = fewest_to_support(*bounds)
    if of >= FEWEST and _inside(interval.low, interval.high, bounds):
        return Outcome(SUPPORTED, evidence, run=True, n=of)
    if of >= FEWEST and _outside(interval.low, interval.high, bounds):
        return Outcome(CONTRADICTED, evidence, run=True, n=of)
    needed = _needed(n / of, bounds, of)
    if of < fewest:
        return Outcome(TOO_FEW, f"{evidence}: {needed or fewest} seeds needed", run=True, n=of)
    more = f"about {needed} seeds would settle it" if needed else "too close to the bound to be settled"
    return Outcome(UNDECIDED, f"{evidence}: {more}", run=True, n=of)


def without_exception(exceptions: int, of: int, what: str, verb: str) -> Outcome:
    """Whether something holds of all seeds: one exception refutes it.

    Without any it is supported once more than EXCEPTIONS of them are excluded.
    """
    if exceptions:
        return Outcome(CONTRADICTED, f"{exceptions} {what} {verb}", run=True, n=of)
    evidence = f"0 {what} {verb} {span(0.0, exact(0, of).high, share)}"
    needed = fewest_to_support(0.0, EXCEPTIONS)
    if of < needed:
        return Outcome(TOO_FEW, f"{evidence}: {needed} seeds needed", run=True, n=of)
    return Outcome(SUPPORTED, evidence, run=True, n=of)


def by_interval(numbers: str, low: float, high: float, bounds: tuple[float, float], n: int) -> Outcome:
    """What the interval of a mean over n seeds says about a range in which the mean must lie."""
    if n < FEWEST:
        return too_few(numbers, n, FEWEST)
    if math.isnan(low):
        return Outcome(UNDECIDED, f"{numbers}, n = {n}: no interval", run=True, n=n)
    evidence = f"{numbers} [{low:.2g}, {high:.2g}], n = {n}"
    state = SUPPORTED if _inside(low, high, bounds) else CONTRADICTED if _outside(low, high, bounds) else UNDECIDED
    return Outcome(state, evidence, run=True, n=n)


def _inside(low: float, high: float, bounds: tuple[float, float]) -> bool:
    return bounds[0] <= low and high <= bounds[1]


def _outside(low: float, high: float, bounds: tuple[float, float]) -> bool:
    return high < bounds[0] or low > bounds[1]


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
def _needed(seen: float, bounds: tuple[float, float], of: int) -> int:
    """The fewest seeds, more than `of` and up to MOST, at which a share like this would be decided; 0 if none."""
    for n in (each for each in _numbers() if each > of):
        interval = exact(round(seen * n), n)
        if _inside(interval.low, interval.high, bounds) or _outside(interval.low, interval.high, bounds):
            return n
    return 0


def _numbers() -> list[int]:
    return [*range(FEWEST, 200), *range(200, MOST + 1, 20)]


Key = tuple[str, int, str]
#: Stands among classes for all seeds that fit T, whatever they follow.
FITS = "fits"


def of_cell(table: pd.DataFrame, cell: Key) -> pd.DataFrame:
    """The rows of one cell."""
    here = pd.Series(True, index=table.index)
    for column, value in zip(CELL, cell, strict=True):
        here &= table[column] == value
    return table[here]


def decide(test: dict[str, Any], cell: Key, tables: Mapping[str, pd.DataFrame]) -> Outcome:
    """A claim's test on one cell that was run."""
    if {"share", "all", "none"} & set(test):
        return _share(test, of_cell(tables["fpa"], cell))
    if "responses" in test:
        return _responses(test, of_cell(tables["responses"], cell))
    if "per_example" in test:
        return _per_example(test, cell, tables["code_length"])
    if "prefers" in test:
        return _preference(test, of_cell(tables["preferences"], cell))
    if "lengths" in test:
        return _lengths(test, of_cell(tables["outputs"], cell))
    return _bits(test, of_cell(tables["seed_code_lengths"], cell))


def pool(test: dict[str, Any], cells: Sequence[Key], fpa: pd.DataFrame, single: list[Outcome]) -> Outcome:
    """A test of a share on all sizes together, if all were run as the claim wants; it says which sizes."""
    unfit = [outcome for outcome in single if not outcome.run]
    if unfit:
        return unfit[0]
    sizes = ", ".join(str(size) for _, size, _ in cells)
    return _share(test, pd.concat([of_cell(fpa, cell) for cell in cells]), f" of sizes {sizes} pooled")


def _share(test: dict[str, Any], shares: pd.DataFrame, pooled: str = "") -> Outcome:
    if shares.empty:
        return Outcome(UNDECIDED, "FPA was not measured")
    (kind,) = {"share", "all", "none"} & set(test)
    classes = test[kind]
    cells = shares.drop_duplicates(CELL)
    given_fit = test.get("given") == "fit"
    of = int(cells["n_fit" if given_fit else "n_seeds"].sum())
    if of == 0:
        return Outcome(UNDECIDED, "no seed fits T", run=True)
    # whoever is `other` or follows a further rule fits T as well: those that fit are counted, and not by their classes
    n = int(cells["n_fit"].sum() if FITS in classes else shares.loc[shares["class"].isin(classes), "n"].sum())
    what = f"of {of} seeds{pooled}{' that fit' if given_fit else ''}"
    if kind != "share":
        does = "fit T" if FITS in classes else f"follow {' or '.join(classes)}"
        exceptions, verb = (n, does) if kind == "none" else (of - n, f"do not {does}")
        return without_exception(exceptions, of, what, verb)
    return by_count(n, of, f"{n} {what}", _bounds(test))


def _responses(test: dict[str, Any], responses: pd.DataFrame) -> Outcome:
    (rule,) = test["responses"]
    rows = responses[responses["rule"] == rule]
    if rows.empty:
        return Outcome(UNDECIDED, "responses were not measured")
    row: Any = rows.iloc[0]
    given_fit = test.get("given") == "fit"
    n = int(row["n_fit" if given_fit else "n_seeds"])
    if n == 0:
        return Outcome(UNDECIDED, "no seed fits T" if given_fit else "all seeds diverged", run=True)
    mean = float(row["share_given_fit" if given_fit else "share"])
    return by_count(n * mean, n, f"{rule} in {share(mean)} of the responses of {n} seeds", _bounds(test))


def _per_example(test: dict[str, Any], cell: Key, code: pd.DataFrame) -> Outcome:
    def interval(learner: str) -> tuple[float, float, float, int]:
        rows = of_cell(code[code["candidate"] == test["per_example"]], (cell[0], cell[1], learner))
        if rows.empty or rows["bits_mean"].isna().all() or (rows["blocks"] != TASK).any():
            return math.nan, math.nan, math.nan, 0
        row: Any = rows.iloc[0]
        mean, low, high = (float(row[name]) / row["n_examples"] for name in ("bits_mean", "ci_low", "ci_high"))
        equal = str(row["ci_note"]).startswith("all ")  # so many seeds, all of one length: a point, as far as they go
        return (mean, mean, mean, int(row["n_seeds"])) if equal else (mean, low, high, int(row["n_seeds"]))

    mean, low, high, n = interval(cell[2])
    if n == 0:
        return Outcome(UNDECIDED, f"{test['per_example']} has no complete code in the task's blocks")
    numbers = f"{mean:.2g} bits per example"
    if "below" not in test:
        return by_interval(numbers, low, high, _bounds(test), n)
    outcomes = []
    for learner in test["below"]:
        other, other_low, other_high, m = interval(learner)
        if m == 0:
            return Outcome(UNDECIDED, f"not run with {learner}, to compare with")
        against = f"{numbers}, {learner}'s {other:.2g}"
        if min(n, m) < FEWEST:
            outcomes.append(too_few(against, min(n, m), FEWEST))
        else:
            state = SUPPORTED if high < other_low else CONTRADICTED if low > other_high else UNDECIDED
            outcomes.append(Outcome(state, against, run=True, n=min(n, m)))
    worst = [CONTRADICTED, UNDECIDED, TOO_FEW, SUPPORTED]
    return min(outcomes, key=lambda outcome: worst.index(outcome.state))


def _bounds(test: dict[str, Any]) -> tuple[float, float]:
    """The range in which the share must lie."""
    if "about" in test:
        return test["about"] - test["within"], test["about"] + test["within"]
    return test.get("at_least", -math.inf), test.get("at_most", math.inf)


def _preference(test: dict[str, Any], pairs: pd.DataFrame) -> Outcome:
    measure = "code length"
    measured = pairs[(pairs["level"] != NOT_MEASURED) & (pairs["codes"] != FIRST)]
    winner, seeds, level, family = "preferred", "n_seeds", "level", "n_family"
    if len(measured) and (words := CodeKind(*measured[KIND].iloc[0]).words):
        measure += f" ({words})"
    if measured.empty:
        measure, winner, seeds = "FPA", "fpa_preferred", "fpa_n_seeds"
        level, family = "fpa_level", "fpa_n_family"
        measured = pairs[pairs["fpa_level"] != NOT_MEASURED]
    if measured.empty:
        first = (pairs["codes"] == FIRST).any()
        return Outcome(UNDECIDED, f"its candidates were not compared{' but by the first block' * bool(first)}")
    n = int(measured[seeds].min())
    won = {(r[winner], r["b"] if r[winner] == r["a"] else r["a"]) for r in measured.to_dict("records") if r[winner]}
    rules, others = test["prefers"], test["over"]
    missing = [x for x in (*rules, *others) if x not in {*measured["a"], *measured["b"]}]
    if missing:
        return Outcome(UNDECIDED, f"{', '.join(missing)} was not measured")
    ours = next((rule for rule in rules if all((rule, other) in won for other in others)), None)
    theirs = next((other for other in others if all((other, rule) in won for rule in rules)), None)
    if ours is not None:
        return Outcome(SUPPORTED, f"{ours} preferred by {measure}, n = {n}", run=True, n=n)
    if theirs is not None:
        return Outcome(CONTRADICTED, f"{theirs} preferred by {measure}, n = {n}", run=True, n=n)
    if (measured[level] == DESCRIPTIVE).any():
        return too_few(f"by {measure}", n, needed_to_test(int(measured[family].max())))
    return Outcome(UNDECIDED, f"no clear preference by {measure} at n = {n}", run=True, n=n)


def _lengths(test: dict[str, Any], outputs: pd.DataFrame) -> Outcome:
    seed = test["seed"]
    of_seed = outputs[[seed in parse_seeds(text.split()) for text in outputs["seeds"]]]
    if of_seed.empty:
        return Outcome(UNDECIDED, f"seed {seed} was not decoded")
    lengths = {len(s.split()): len(p.split()) for s, p in zip(of_seed["src"], of_seed["pred"], strict=True)}
    wrong = {source: lengths.get(source) for source, length in test["lengths"].items() if lengths.get(source) != length}
    if not wrong:
        return Outcome(SUPPORTED, "the same lengths", run=True, n=1)
    return Outcome(CONTRADICTED, "; ".join(f"{s} symbols give {n}" for s, n in wrong.items()), run=True, n=1)


def _bits(test: dict[str, Any], lengths: pd.DataFrame) -> Outcome:
    code = lengths[(lengths["seed"] == test["seed"]) & (lengths["candidate"] == test["candidate"])]
    code = code[(code["state"] == COMPLETE) & (code["blocks"] == TASK)]
    if code.empty:
        return Outcome(UNDECIDED, f"seed {test['seed']} has no complete code of {test['candidate']}")
    bits = float(code["bits"].iloc[0])
    state = SUPPORTED if abs(bits - test["bits"]) <= test["within"] else CONTRADICTED
    return Outcome(state, f"{bits:.3g} bits", run=True, n=1)
