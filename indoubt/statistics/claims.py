"""Published claims, evaluated on whatever has been run: supported, contradicted or undecided, and why.

Kinds of tests (key `test` of a claim in `claims.yaml`):

* `{share: [classes], at_least | at_most | about: x, within: w, given: all | fit}`: the share of seeds of these classes
  (`fits`: of those that fit T), by its exact interval: it must lie wholly on the right side of x (or within w of it);
  wholly on the wrong side contradicts.
* `{all: [classes], given: all | fit}`, `{none: [classes], ...}`: all seeds are of these classes, or none is. One
  exception contradicts; without any it takes as many seeds as exclude more than one exception in twenty.
* `{responses: [a rule, or none], at_least | at_most: x, given: all | fit}`: the same as `share` of the share of
  responses, each seed counting in part.
* `{per_example: candidate, at_least | at_most: x}` or `{..., below: [learners]}`: its code length in bits per example,
  by the interval of the mean; below another learner's if the intervals lie apart.
* `{prefers: [rules], over: [others]}`: one of the rules is preferred to each of the others, by the corrected test on
  code lengths (on FPA where these were not measured); the reverse contradicts.
* `{seed: s, lengths: {source length: output length}}` and `{seed: s, candidate: c, bits: x, within: w}`: one seed's
  outputs, or code length, as printed.
* `{agreement: r}`: the rank correlation of the two measures over all cells (six or more) lies above r, by its interval.
* `{sensitivity: code_length}`: the corrected test decides more pairs by code length than by FPA (exact McNemar).
* `{not_testable: why}`.

Each cell is judged by itself: `sizes_needed: some` wants one size of each learner, `pool_sizes` counts the seeds of all
sizes of a learner together and says so. Seeds too few to support a claim, whatever they did, are a state of their own.
With fewer than six seeds only exceptions to "all" and "none", and what is said of one seed, decide anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from indoubt.errors import UserError, nearest
from indoubt.schema import PROTOCOL, columns_of
from indoubt.schema.wording import share, span
from indoubt.statistics.agreement import ALL
from indoubt.statistics.claim_tests import CONTRADICTED, FEWEST, SUPPORTED, TOO_FEW, UNDECIDED, Outcome, decide, pool
from indoubt.statistics.paired import ALPHA

BUILT_IN = Path(__file__).with_name("claims.yaml")
#: Updates per training that a claim speaks of unless it says otherwise.
UPDATES = 3000
KEYS = {"id", "statement", "source", "cells", "sizes_needed", "pool_sizes", "protocol", "updates", "test"}
TESTS = {
    *["share", "all", "none", "responses", "per_example", "prefers", "lengths", "bits", "agreement", "sensitivity"],
    "not_testable",
}


@dataclass(frozen=True)
class Cell:
    """One cell that a claim speaks of."""

    task: str
    size: int
    learner: str

    def __str__(self) -> str:
        return f"{self.task}/{self.size}/{self.learner}"


def read_claims(path: Path) -> list[dict[str, Any]]:
    """The claims of a file.

    Raises:
        UserError: it is missing or not YAML, or a claim lacks a key or has an unknown one.
    """
    import yaml  # now: it is not needed for tasks of one's own

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"file of claims {path} does not exist; correct --claims") from None
    except yaml.YAMLError as error:
        raise UserError(f"file of claims {path} is not YAML: {error}") from error
    claims = content.get("claims") if isinstance(content, dict) else None
    if not isinstance(claims, list):
        raise UserError(f"file of claims {path} must have a list under the key 'claims'")
    for number, claim in enumerate(claims, 1):
        where = f"{path}, claim {claim.get('id', number) if isinstance(claim, dict) else number}"
        if not isinstance(claim, dict) or not isinstance(claim.get("test"), dict):
            raise UserError(f"{where}: a claim needs the keys id, statement, source and test (a mapping)")
        for key in claim:
            if key not in KEYS:
                raise UserError(
                    f"{where}: unknown key {key!r}{nearest(key, KEYS)}; there are {', '.join(sorted(KEYS))}"
                )
        missing = [key for key in ("id", "statement", "source") if key not in claim]
        if missing or not TESTS & set(claim["test"]):
            what = missing or [f"a test of the kinds {', '.join(sorted(TESTS))}"]
            raise UserError(f"{where} lacks {', '.join(what)}")
    return claims


def claims_table(claims: list[dict[str, Any]], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per claim: its `state` and, in words, `why`.

    `n_cells` cells does it speak of, of which `n_run` were measured as it wants, `n_supporting` support and
    `n_contradicting` contradict it; `seeds` per cell. A claim is never supported while a cell that it needs is missing.
    """
    return pd.DataFrame([_evaluate(claim, tables) for claim in claims], columns=columns_of("claims"))


def _evaluate(claim: dict[str, Any], tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    test = claim["test"]
    about = {key: " ".join(str(claim[key]).split()) for key in ("id", "statement", "source")}
    counts = {"n_cells": 0, "n_run": 0, "n_supporting": 0, "n_contradicting": 0, "seeds": ""}
    if "not_testable" in test:
        return about | counts | {"state": UNDECIDED, "why": f"cannot be tested: {test['not_testable']}"}
    if "agreement" in test or "sensitivity" in test:
        state, why, n = _of_measures(test, tables["agreement"])
        return about | counts | {"state": state, "why": why, "n_cells": n, "n_run": n}
    place = claim["cells"]
    cells = [Cell(place["task"], size, learner) for learner in place["learners"] for size in place["sizes"]]
    single = [(cell.learner, str(cell), _of_cell(claim, cell, tables)) for cell in cells]
    outcomes = single
    if claim.get("pool_sizes"):
        outcomes = [
            (learner, f"{place['task']}/{learner}", _pooled(test, cells, learner, single, tables["fpa"]))
            for learner in place["learners"]
        ]
    state, why = _combine(outcomes, claim.get("sizes_needed", "every"))
    seeds = sorted({outcome.n for *_, outcome in outcomes if outcome.run})
    return (
        about
        | {"state": state, "why": why, "n_cells": len(cells), "n_run": sum(outcome.run for *_, outcome in single)}
        | {f"n_{word}": sum(outcome.state == s for *_, outcome in outcomes) for word, s in
           (("supporting", SUPPORTED), ("contradicting", CONTRADICTED))}
        | {"seeds": "–".join(str(n) for n in dict.fromkeys(seeds[:1] + seeds[-1:]))}
    )  # fmt: skip


#: Learner, the place as it is said, and what was found there.
Found = tuple[str, str, Outcome]


def _pooled(
    test: dict[str, Any], cells: Sequence[Cell], learner: str, single: Sequence[Found], fpa: pd.DataFrame
) -> Outcome:
    """A learner's seeds of all sizes together."""
    of = [cell_key(cell) for cell in cells if cell.learner == learner]
    return pool(test, of, fpa, [outcome for name, _, outcome in single if name == learner])


def cell_key(cell: Cell) -> tuple[str, int, str]:
    return cell.task, cell.size, cell.learner


def _of_cell(claim: dict[str, Any], cell: Cell, tables: Mapping[str, pd.DataFrame]) -> Outcome:
    """The claim's test on one cell, if it was run as the claim wants."""
    verdicts = tables["verdicts"]
    place = (verdicts["task"] == cell.task) & (verdicts["size"] == cell.size) & (verdicts["learner"] == cell.learner)
    if not place.any():
        return Outcome(UNDECIDED, "not run")
    for part in PROTOCOL:
        value, found = claim.get("protocol", {}).get(part), verdicts.loc[place, part].iloc[0]
        if value is not None and str(value) != str(found):
            return Outcome(UNDECIDED, f"run with {part} {found}, the claim speaks of {value}")
    updates = {int(u) for name in ("fpa", "code_length") for u in _rows(tables[name], cell)["updates"]}
    if updates and max(updates) != claim.get("updates", UPDATES):
        return Outcome(
            UNDECIDED, f"trained for {max(updates):,} updates, the claim speaks of {claim.get('updates', UPDATES):,}"
        )
    return decide(claim["test"], cell_key(cell), tables)


def _rows(table: pd.DataFrame, cell: Cell) -> pd.DataFrame:
    here = (table["task"] == cell.task) & (table["size"] == cell.size) & (table["learner"] == cell.learner)
    return table[here]


def _combine(outcomes: Sequence[Found], sizes_needed: str) -> tuple[str, str]:
    """The state of a claim over its cells, and why."""
    needed = outcomes
    if sizes_needed == "some":  # per learner one size is enough
        needed = []
        for learner in dict.fromkeys(name for name, *_ in outcomes):
            of = [found for found in outcomes if found[0] == learner]
            states = {outcome.state for *_, outcome in of}
            best = next(state for state in (SUPPORTED, UNDECIDED, TOO_FEW, CONTRADICTED) if state in states)
            needed += [found for found in of if found[2].state == best]
    states = {outcome.state for *_, outcome in needed}
    state = next((state for state in (CONTRADICTED, UNDECIDED, TOO_FEW) if state in states), SUPPORTED)
    reasons = _reasons([found for found in needed if found[2].state == state])
    supporting = sum(outcome.state == SUPPORTED for *_, outcome in outcomes)
    if state != SUPPORTED and supporting:
        reasons = f"supported in {supporting} of {len(outcomes)} cells, but {reasons}"
    if sizes_needed == "some":  # which sizes say what: a reader must see what was chosen from what
        for other in (SUPPORTED, UNDECIDED, TOO_FEW, CONTRADICTED):
            rest = [found for found in outcomes if found[2].state == other != state and found[2].run]
            reasons += f"; {other}: {_reasons(rest)}" if rest else ""
    return state, reasons


def _reasons(found: Sequence[Found]) -> str:
    """What was found, and where."""
    places: dict[str, list[str]] = {}
    for _, place, outcome in found:
        places.setdefault(outcome.why, []).append(place)
    return "; ".join(f"{why} ({_few(names)})" for why, names in places.items())


def _few(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 4 else f"{', '.join(names[:3])} and {len(names) - 3} more"


def _of_measures(test: dict[str, Any], agreement: pd.DataFrame) -> tuple[str, str, int]:
    """Claims about the two measures, over all tasks."""
    overall = agreement[agreement["task"] == ALL]
    if overall.empty or int(overall["n_both"].iloc[0]) == 0:
        return UNDECIDED, "no cell has both measures", 0
    row: Any = overall.iloc[0]
    n, pairs = int(row["n_both"]), int(row["n_pairs"])
    if n < FEWEST:
        return UNDECIDED, f"{n} cell{'s have' if n > 1 else ' has'} both measures, {FEWEST} needed", n
    if "agreement" in test:
        if pd.isna(row["rho"]):
            return UNDECIDED, str(row["rho_note"]), n
        low, high = row["rho_ci_low"], row["rho_ci_high"]
        why = f"rank correlation {share(row['rho'])} {span(low, high, share)} over {pairs} pairs; {_in_counts(row)}"
        bound = float(test["agreement"])
        return (SUPPORTED if low > bound else CONTRADICTED if high < bound else UNDECIDED), why, n
    code, fpa, p = int(row["n_tested_code_only"]), int(row["n_tested_fpa_only"]), float(row["p_sensitivity"])
    why = f"decided by code length alone: {code} pairs, by FPA alone: {fpa} (McNemar p = {p:.2g}, n = {pairs} pairs)"
    if p >= ALPHA:
        return UNDECIDED, why, n
    return (SUPPORTED if code > fpa else CONTRADICTED), why, n


def _in_counts(row: Any) -> str:
    """How often the two measures say the same, and of how many cells and pairs they say anything."""
    return (
        f"FPA differs in {row['n_fpa_differs']} of them and has the sign of the code lengths in {row['n_same_sign']}; "
        f"the rule of the shortest code is that of most responses in {row['n_agree_responses']} of {row['n_both']} "
        f"cells, and that of most seeds in {row['n_agree']} of the {row['n_compared']} in which these follow a "
        f"candidate (in {row['n_both'] - row['n_compared']} they do not)"
    )
