"""The tests that decide claims, on one cell or on several pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from indoubt.data.seeds import parse_seeds
from indoubt.measures.code_length import COMPLETE
from indoubt.schema import CELL
from indoubt.statistics.judging import (
    CONTRADICTED,
    FEWEST,
    SUPPORTED,
    TOO_FEW,
    UNDECIDED,
    Outcome,
    by_count,
    by_interval,
    too_few,
    without_exception,
)
from indoubt.statistics.paired import needed_to_test
from indoubt.statistics.preferences import DESCRIPTIVE, NOT_MEASURED

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
    return by_count(n, of, f"{n} {what}", _wanted(test))


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
    share = float(row["share_given_fit" if given_fit else "share"])
    return by_count(n * share, n, f"{rule} in {share:.2f} of the responses of {n} seeds", _wanted(test))


def _per_example(test: dict[str, Any], cell: Key, code: pd.DataFrame) -> Outcome:
    def interval(learner: str) -> tuple[float, float, float, int]:
        rows = of_cell(code[code["candidate"] == test["per_example"]], (cell[0], cell[1], learner))
        if rows.empty:
            return math.nan, math.nan, math.nan, 0
        row: Any = rows.iloc[0]
        mean, low, high = (float(row[name]) / row["n_examples"] for name in ("bits_mean", "ci_low", "ci_high"))
        equal = str(row["ci_note"]).startswith("all ")  # so many seeds, all of one length: a point, as far as they go
        return (mean, mean, mean, int(row["n_seeds"])) if equal else (mean, low, high, int(row["n_seeds"]))

    mean, low, high, n = interval(cell[2])
    if n == 0:
        return Outcome(UNDECIDED, f"{test['per_example']} has no complete code")
    said = f"{mean:.2g} bits per example"
    if "below" not in test:
        return by_interval(said, low, high, _wanted(test), n)
    outcomes = []
    for learner in test["below"]:
        other, other_low, other_high, m = interval(learner)
        if m == 0:
            return Outcome(UNDECIDED, f"not run with {learner}, to compare with")
        against = f"{said}, {learner}'s {other:.2g}"
        if min(n, m) < FEWEST:
            outcomes.append(too_few(against, min(n, m), FEWEST))
        else:
            state = SUPPORTED if high < other_low else CONTRADICTED if low > other_high else UNDECIDED
            outcomes.append(Outcome(state, against, run=True, n=min(n, m)))
    worst = [CONTRADICTED, UNDECIDED, TOO_FEW, SUPPORTED]
    return min(outcomes, key=lambda outcome: worst.index(outcome.state))


def _wanted(test: dict[str, Any]) -> tuple[float, float]:
    """The range in which the share must lie."""
    if "about" in test:
        return test["about"] - test["within"], test["about"] + test["within"]
    return test.get("at_least", -math.inf), test.get("at_most", math.inf)


def _preference(test: dict[str, Any], pairs: pd.DataFrame) -> Outcome:
    measure = "code length"
    measured = pairs[pairs["level"] != NOT_MEASURED]
    winner, seeds, level, family = "preferred", "n_seeds", "level", "n_family"
    if measured.empty:
        measure, winner, seeds = "FPA", "fpa_preferred", "fpa_n_seeds"
        level, family = "fpa_level", "fpa_n_family"
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
    if (measured[level] == DESCRIPTIVE).any():
        return too_few(f"by {measure}", n, needed_to_test(int(measured[family].max())))
    return Outcome(UNDECIDED, f"no clear preference by {measure} at n = {n}", run=True, n=n)


def _lengths(test: dict[str, Any], outputs: pd.DataFrame) -> Outcome:
    seed = test["seed"]
    of_seed = outputs[[seed in parse_seeds(text.split()) for text in outputs["seeds"]]]
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
