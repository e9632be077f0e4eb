"""The tests that decide claims, on one cell or on several pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from doubt.measures.code_length import COMPLETE
from doubt.measures.fpa import CELL
from doubt.measures.intervals import wilson
from doubt.statistics.preferences import DESCRIPTIVE, NOT_MEASURED

SUPPORTED, CONTRADICTED, UNDECIDED = "supported", "contradicted", "undecided"
Key = tuple[str, int, str]


@dataclass(frozen=True)
class Outcome:
    """What one cell says about a claim; `run`: whether it could say anything; `n`: its seeds."""

    state: str
    why: str
    run: bool = False
    n: int = 0


def of_cell(table: pd.DataFrame, cell: Key) -> pd.DataFrame:
    """The rows of one cell."""
    here = pd.Series(True, index=table.index)
    for column, value in zip(CELL, cell, strict=True):
        here &= table[column] == value
    return table[here]


def decide(test: dict[str, Any], cell: Key, tables: Mapping[str, pd.DataFrame]) -> Outcome:
    """A claim's test on one cell that was run."""
    if "share" in test:
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
    """A test of a share on all cells together, if all were run as the claim wants."""
    unfit = [outcome for outcome in single if not outcome.run]
    if unfit:
        return unfit[0]
    return _share(test, pd.concat([of_cell(fpa, cell) for cell in cells]))


def _share(test: dict[str, Any], shares: pd.DataFrame) -> Outcome:
    if shares.empty:
        return Outcome(UNDECIDED, "FPA was not measured")
    n = int(shares.loc[shares["class"].isin(test["share"]), "n"].sum())
    given_fit = test.get("given") == "fit"
    of = int(shares.drop_duplicates(CELL)["n_fit" if given_fit else "n_seeds"].sum())
    if of == 0:
        return Outcome(UNDECIDED, "no seed fits T", run=True)
    interval = wilson(n, of)
    seen = f"{n} of {of} seeds{' that fit' if given_fit else ''} [{interval.low:.2f}, {interval.high:.2f}]"
    low, high = _wanted(test)
    if low <= interval.low and interval.high <= high:
        return Outcome(SUPPORTED, seen, run=True, n=of)
    if interval.high < low or interval.low > high:
        return Outcome(CONTRADICTED, seen, run=True, n=of)
    needed = _seeds_needed(n / of, low, high)
    more = f"about {needed} seeds would settle it" if needed else "too close to the bound to be settled"
    return Outcome(UNDECIDED, f"{seen}: {more}", run=True, n=of)


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
    names = (
        ("share_given_fit", "given_fit_ci_low", "given_fit_ci_high") if given_fit else ("share", "ci_low", "ci_high")
    )
    share, low, high = (float(row[name]) for name in names)
    if n > 1 and math.isnan(low):  # all seeds equal
        low = high = share
    return _judged(f"{rule} in {share:.2f} of the responses", low, high, _wanted(test), n)


def _per_example(test: dict[str, Any], cell: Key, code: pd.DataFrame) -> Outcome:
    def interval(learner: str) -> tuple[float, float, float, int]:
        rows = of_cell(code[code["candidate"] == test["per_example"]], (cell[0], cell[1], learner))
        if rows.empty:
            return math.nan, math.nan, math.nan, 0
        row: Any = rows.iloc[0]
        mean, low, high = (float(row[name]) / row["n_examples"] for name in ("bits_mean", "ci_low", "ci_high"))
        n = int(row["n_seeds"])
        return (mean, mean, mean, n) if n > 1 and math.isnan(low) else (mean, low, high, n)

    mean, low, high, n = interval(cell[2])
    if n == 0:
        return Outcome(UNDECIDED, f"{test['per_example']} has no complete code")
    said = f"{mean:.2g} bits per example"
    if "below" not in test:
        return _judged(said, low, high, _wanted(test), n)
    outcomes = []
    for learner in test["below"]:
        other, other_low, other_high, m = interval(learner)
        if m == 0:
            return Outcome(UNDECIDED, f"not run with {learner}, to compare with")
        against = f"{said}, {learner}'s {other:.2g}"
        state = SUPPORTED if high < other_low else CONTRADICTED if low > other_high else UNDECIDED
        outcomes.append(Outcome(state, against, run=True, n=min(n, m)))
    worst = {CONTRADICTED: 0, UNDECIDED: 1, SUPPORTED: 2}
    return min(outcomes, key=lambda outcome: worst[outcome.state])


def _judged(said: str, low: float, high: float, wanted: tuple[float, float], n: int) -> Outcome:
    """What an interval says about a range in which a value must lie."""
    if math.isnan(low):
        return Outcome(UNDECIDED, f"{said}, n = {n}: no interval", run=True, n=n)
    seen = f"{said} [{low:.2g}, {high:.2g}], n = {n}"
    if wanted[0] <= low and high <= wanted[1]:
        return Outcome(SUPPORTED, seen, run=True, n=n)
    if high < wanted[0] or low > wanted[1]:
        return Outcome(CONTRADICTED, seen, run=True, n=n)
    return Outcome(UNDECIDED, seen, run=True, n=n)


def _wanted(test: dict[str, Any]) -> tuple[float, float]:
    """The range in which the share must lie."""
    if "about" in test:
        return test["about"] - test["within"], test["about"] + test["within"]
    return test.get("at_least", -math.inf), test.get("at_most", math.inf)


def _seeds_needed(share: float, low: float, high: float) -> int:
    """The fewest seeds (to 2,000) at which a share like this would be decided; 0 if there are none."""
    n: int
    for n in [*range(2, 200), *range(200, 2001, 20)]:
        interval = wilson(round(share * n), n)
        if (low <= interval.low and interval.high <= high) or interval.high < low or interval.low > high:
            return n
    return 0


def _preference(test: dict[str, Any], pairs: pd.DataFrame) -> Outcome:
    measure = "code length"
    measured = pairs[pairs["level"] != NOT_MEASURED]
    winner, seeds = "preferred", "n_seeds"
    if measured.empty:
        measure, winner, seeds = "FPA", "fpa_preferred", "fpa_n_seeds"
        measured = pairs[pairs["fpa_level"] != NOT_MEASURED]
    if measured.empty:
        return Outcome(UNDECIDED, "its candidates were not compared")
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
    said = f"no clear preference by {measure} at n = {n}"
    if measure == "code length" and (measured["level"] == DESCRIPTIVE).any():
        said = f"n = {n} seeds are too few to test, {int(measured['seeds_to_test'].max())} needed"
    return Outcome(UNDECIDED, said, run=True, n=n)


def _lengths(test: dict[str, Any], outputs: pd.DataFrame) -> Outcome:
    seed = test["seed"]
    of_seed = outputs[[seed in members(text) for text in outputs["seeds"]]]
    if of_seed.empty:
        return Outcome(UNDECIDED, f"seed {seed} was not decoded")
    given = {len(s.split()): len(p.split()) for s, p in zip(of_seed["src"], of_seed["pred"], strict=True)}
    wrong = {source: given.get(source) for source, wanted in test["lengths"].items() if given.get(source) != wanted}
    if not wrong:
        return Outcome(SUPPORTED, "the same lengths", run=True, n=1)
    return Outcome(CONTRADICTED, "; ".join(f"{s} symbols give {n}" for s, n in wrong.items()), run=True, n=1)


def _bits(test: dict[str, Any], lengths: pd.DataFrame) -> Outcome:
    code = lengths[(lengths["seed"] == test["seed"]) & (lengths["candidate"] == test["candidate"])]
    code = code[code["state"] == COMPLETE]
    if code.empty:
        return Outcome(UNDECIDED, f"seed {test['seed']} has no complete code of {test['candidate']}")
    bits = float(code["bits"].iloc[0])
    state = SUPPORTED if abs(bits - test["bits"]) <= test["within"] else CONTRADICTED
    return Outcome(state, f"{bits:.3g} bits", run=True, n=1)


def members(ranges: str) -> set[int]:
    """The seeds of `1-4 7`."""
    found: set[int] = set()
    for part in ranges.split():
        low, _, high = part.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return found
