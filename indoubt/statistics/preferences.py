"""The table of preferences: for each cell and pair of candidate rules, which one the learner prefers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Mapping
from typing import Any, cast

import pandas as pd

from indoubt.data.codes import FIRST, FULL, TASK, CodeKind
from indoubt.data.rules import CANDIDATE, RANDOM
from indoubt.measures.code_length import AT_LEAST, known_codes
from indoubt.measures.intervals import bca
from indoubt.measures.rows import Row, either
from indoubt.schema import CELL, ORIGIN, PROTOCOL, columns_of
from indoubt.statistics.paired import ALPHA, MANY, compare, corrected, mcnemar_p, needed_to_settle, needed_to_test
from indoubt.statistics.stopping import ENOUGH, adjusted, e_value

#: Levels of a verdict: decided by the corrected test, open although it could have decided, too few seeds to test; and
#: of a pair with a rule that the learner cannot represent, which is no comparison.
TESTED, OPEN, DESCRIPTIVE, NOT_MEASURED = "tested", "open", "descriptive", "not measured"
UNREPRESENTABLE = "not representable"
#: Levels of pairs that are not compared.
NOT_COMPARED = (NOT_MEASURED, UNREPRESENTABLE)
Cell = tuple[str, int, str]
#: Of what the p of a pair's code lengths is.
SIGN_FLIPS, SIGNS = "sign flips", "signs"
NO_INTERVAL = "raced: known from below alone"


def preferences_table(
    lengths: pd.DataFrame,
    fpa: pd.DataFrame,
    in_steps: Container[Cell] = (),
    unrepresentable: Mapping[Cell, Container[str]] | None = None,
) -> pd.DataFrame:
    """One row per (task, size, learner) and pair a, b of candidates; rules that only classify are not tested.

    Code lengths: paired differences a - b in bits over the seeds that completed both codes, with BCa interval of the
    mean, sign-flip, Wilcoxon and paired-t p, corrected by Holm over all pairs of the task that were run (`n_family`)
    and by Benjamini-Hochberg over all tasks. FPA: exact McNemar on the seeds that follow a against those that follow
    b. `preferred` is named only if the interval excludes 0 and the Holm-corrected p is below .05.

    Of codes by the first block the first block's bits are compared. Of raced codes, of which losers are known from
    below alone, the signs are: seeds that a or b won are for the one or the other, those that a third rule won
    (`n_open`) tell nothing of the two; the exact sign test takes the place of sign flips, and there is no interval.

    Of cells whose seeds came in steps, until it was sure, these p are too small; there `preferred` goes by the e-values
    (`stopping`) alone, `e_value` of the seeds with the shorter code and `fpa_e_value` of those that follow a or b, each
    adjusted over all pairs of the task's cells in steps.

    A rule that a learner cannot represent is not beaten: its pairs have the numbers, but no verdict, and count in no
    correction.

    Args:
        lengths: the table `seed_code_lengths`.
        fpa: the table `fpa`.
        in_steps: the cells (task, size, learner) whose seeds came in steps.
        unrepresentable: of cells the rules that their learner cannot represent.
    """
    rows = [_pair(*cell_pair) for cell_pair in _pairs(lengths, fpa)]
    for row in rows:
        _set_apart(row, (unrepresentable or {}).get((row["task"], row["size"], row["learner"]), ()))
    for task in dict.fromkeys(row["task"] for row in rows):
        family = [row for row in rows if row["task"] == task and row["level"] not in NOT_COMPARED]
        shares = [row for row in rows if row["task"] == task and row["fpa_level"] not in NOT_COMPARED]
        for name in ("signflip", "wilcoxon", "t"):
            _correct(family, f"p_{name}", "holm")
        _correct(shares, "p_mcnemar", "holm")
        for row in family:
            row["n_family"] = len(family)
            _judge(row)
        for row in shares:
            row["fpa_n_family"] = len(shares)
            _judge_shares(row)
        stepwise = [row for row in rows if row["task"] == task and tuple(row[name] for name in CELL) in in_steps]
        _judge_by_evidence([row for row in stepwise if row["level"] not in NOT_COMPARED])
        _judge_shares_by_evidence([row for row in stepwise if row["fpa_level"] not in NOT_COMPARED])
    _correct([row for row in rows if row["level"] not in NOT_COMPARED], "p_signflip", "bh")
    _correct([row for row in rows if row["fpa_level"] not in NOT_COMPARED], "p_mcnemar", "bh")
    return pd.DataFrame(rows, columns=columns_of("preferences"))


def _set_apart(row: Row, unrepresentable: Container[str]) -> None:
    """Take a pair out of all comparisons where the learner cannot represent one of its rules."""
    names = [rule for rule in (row["a"], row["b"]) if rule in unrepresentable]
    if not names:
        return
    for measure, verdict in (("level", "verdict"), ("fpa_level", None)):
        if row[measure] != NOT_MEASURED:
            row[measure] = UNREPRESENTABLE
            if verdict:
                row[verdict] = f"it cannot represent {' or '.join(names)}"


def _pairs(lengths: pd.DataFrame, fpa: pd.DataFrame) -> list[tuple[Any, ...]]:
    """Cell, pair, and the cell's rows of both tables."""
    of_lengths = dict(list(lengths[lengths["candidate"] != RANDOM].groupby(CELL)))
    of_fpa = dict(list(fpa[fpa["kind"] == CANDIDATE].groupby(CELL)))
    pairs = []
    for cell in sorted({*of_lengths, *of_fpa}):
        codes, shares = of_lengths.get(cell, lengths[:0]), of_fpa.get(cell, fpa[:0])
        rules = dict.fromkeys([*shares["class"], *codes["candidate"]])
        pairs += [(cell, a, b, codes, shares) for a, b in itertools.combinations(rules, 2)]
    return pairs


def _pair(cell: tuple[str, int, str], a: str, b: str, codes: pd.DataFrame, shares: pd.DataFrame) -> Row:
    """One pair, before any correction."""
    name = "/".join(map(str, (*cell, a, b)))
    measured = {a, b} <= set(codes["candidate"])
    n = dict(zip(shares["class"], shares["n"], strict=True))
    n_seeds = int(shares["n_seeds"].max()) if {a, b} <= set(n) else 0
    n_a, n_b = (int(n[c]) if n_seeds else 0 for c in (a, b))
    interval = bca([1.0] * n_a + [-1.0] * n_b + [0.0] * (n_seeds - n_a - n_b), f"{name}/fpa")
    return (
        dict(zip(CELL, cell, strict=True))
        | {"a": a, "b": b}
        | _compared(codes, a, b, name)
        | {"n_family": 0, "seeds_to_test": 0}
        | {"codes": either(codes["codes"]), "blocks": either(codes["blocks"])}
        | {
            "seeds_to_settle": 0,
            "preferred": "",
            "level": OPEN if measured else NOT_MEASURED,
            "verdict": "not measured",
            "e_value": math.nan,
            "fpa_e_value": math.nan,
        }
        | {"fpa_n_seeds": n_seeds, "fpa_n_a": n_a, "fpa_n_b": n_b}
        | {"fpa_diff": (n_a - n_b) / n_seeds if n_seeds else math.nan}
        | {"fpa_ci_low": interval.low, "fpa_ci_high": interval.high}
        | {"p_mcnemar": mcnemar_p(n_a, n_b) if n_seeds else math.nan, "fpa_n_family": 0, "fpa_preferred": ""}
        | {"fpa_level": OPEN if n_seeds else NOT_MEASURED}
        | {part: either([*codes[part], *shares[part]]) for part in (*PROTOCOL, *ORIGIN)}
    )


def _compared(codes: pd.DataFrame, a: str, b: str, name: str) -> Row:
    """What a pair's code lengths say, by sign flips or, where some are known from below alone, by signs."""
    of_pair = codes[codes["candidate"].isin([a, b])]
    raced = bool(((of_pair["state"] == AT_LEAST) & (of_pair["codes"] != FIRST)).any())
    known = known_codes(of_pair, a, b)
    certain = known[known["sign"].notna()]
    values = certain[:0] if raced else certain
    paired = compare(values["a"].to_numpy(), values["b"].to_numpy(), name)
    n_a, n_b = (int((certain["sign"] == sign).sum()) for sign in (-1, 1))
    one_way = raced and len(certain) == len(known) == max(n_a, n_b) > 0
    return (
        {"n_seeds": len(certain), "n_a_shorter": n_a, "n_b_shorter": n_b}
        | {"diff_mean": paired.mean, "diff_median": paired.median, "ci_low": paired.interval.low}
        | {"ci_high": paired.interval.high, "ci_note": NO_INTERVAL if raced else paired.interval.note}
        | {"p_signflip": mcnemar_p(n_a, n_b) if raced and len(certain) else paired.p_signflip}
        | {"p_wilcoxon": paired.p_wilcoxon, "p_t": paired.p_t, "rank_biserial": paired.rank_biserial, "dz": paired.dz}
        | {"test": (SIGNS if raced else SIGN_FLIPS) if len(of_pair) else "", "n_open": len(known) - len(certain)}
        | {"diff_at_least": float((known["a"] - known["b"]).mean()) if one_way else math.nan}
    )


def _correct(rows: list[Row], name: str, method: str) -> None:
    """Add the corrected p of a test to rows that make up its family."""
    values = corrected([row[name] for row in rows], "holm" if method == "holm" else "fdr_bh")
    for row, value in zip(rows, values, strict=True):
        row[f"{name}_{method}"] = value


def _judge(row: Row) -> None:
    """The verdict on a pair's code lengths, in words."""
    a, b, n = cast(str, row["a"]), cast(str, row["b"]), cast(int, row["n_seeds"])
    row["seeds_to_test"] = needed_to_test(row["n_family"])
    equal = row["ci_note"].startswith("all") and row["diff_mean"] != 0
    raced = row["test"] == SIGNS
    decided = raced or row["ci_low"] > 0 or row["ci_high"] < 0 or equal
    if decided and row["p_signflip_holm"] < ALPHA:
        a_first = row["n_a_shorter"] > row["n_b_shorter"] if raced else row["diff_mean"] < 0
        row["preferred"], other = (a, b) if a_first else (b, a)
        row["level"], row["verdict"] = TESTED, f"{row['preferred']} preferred to {other} (n = {n})"
    elif n + row["n_open"] < row["seeds_to_test"]:
        row["level"], row["verdict"] = DESCRIPTIVE, _describe(row)
    else:
        row["level"] = OPEN
        row["seeds_to_settle"] = needed_to_settle(row["dz"], row["n_family"])
        seen = f" ({row['n_a_shorter']} for {a}, {row['n_b_shorter']} for {b})" if raced else ""
        row["verdict"] = f"no clear preference at n = {n}{seen or settling(row['seeds_to_settle'])}"
    row["verdict"] = with_kind(row["verdict"], row["codes"], row["blocks"])


def with_kind(verdict: str, codes: str, blocks: str) -> str:
    """A verdict by code length that says how codes were measured, where that is not the paper's way."""
    kinds = {"codes": codes or FULL, "blocks": blocks or TASK}
    words = CodeKind(**kinds).words  # type: ignore[arg-type]
    return f"{verdict}, {words}" if words else verdict


def _describe(row: Row) -> str:
    """What is seen where the test could not reject."""
    n, of_a, of_b = row["n_seeds"], row["n_a_shorter"], row["n_b_shorter"]
    if n == 0:
        none = "a third rule won in every seed" if row["n_open"] else "no seed completed both codes"
        return f"{none}; {row['seeds_to_test']} seeds needed to test"
    counts = f"{max(of_a, of_b)} of {n} seeds: {row['a'] if of_a > of_b else row['b']}"
    if of_a == of_b:
        counts = f"{of_a} of {n} seeds each way"
    return f"{counts}; {row['seeds_to_test']} needed to test"


def settling(n: int) -> str:
    """How many seeds would settle an open question, in words."""
    if n == 0:
        return "; no difference seen"
    return (
        f"; more than {MANY:,} seeds would be needed to settle it" if n > MANY else f"; about {n} seeds would settle it"
    )


def _judge_shares(row: Row) -> None:
    """The verdict on a pair's FPA."""
    low, high = row["fpa_ci_low"], row["fpa_ci_high"]
    decided = low > 0 or high < 0 or (math.isnan(low) and abs(row["fpa_diff"]) == 1)
    if decided and row["p_mcnemar_holm"] < ALPHA:
        row["fpa_level"], row["fpa_preferred"] = TESTED, row["a"] if row["fpa_diff"] > 0 else row["b"]
    elif row["fpa_n_seeds"] < needed_to_test(row["fpa_n_family"]):
        row["fpa_level"] = DESCRIPTIVE


def _judge_by_evidence(rows: list[Row]) -> None:
    """The verdict on the code lengths of pairs whose seeds came in steps."""
    values = adjusted([e_value(row["n_a_shorter"], row["n_b_shorter"]) for row in rows])
    for row, value in zip(rows, values, strict=True):
        a, b, n = row["a"], row["b"], row["n_seeds"]
        row |= {"e_value": value, "preferred": "", "level": OPEN, "seeds_to_settle": 0}
        row["verdict"] = f"not sure at n = {n} (e-value {value:.3g}, {ENOUGH:.0f} needed)"
        if value >= ENOUGH:
            row["preferred"], other = (a, b) if row["n_a_shorter"] > row["n_b_shorter"] else (b, a)
            row["level"] = TESTED
            row["verdict"] = f"{row['preferred']} preferred to {other} (n = {n}, e-value {value:.3g})"
        row["verdict"] = with_kind(row["verdict"], row["codes"], row["blocks"])


def _judge_shares_by_evidence(rows: list[Row]) -> None:
    """The verdict on the FPA of pairs whose seeds came in steps."""
    values = adjusted([e_value(row["fpa_n_a"], row["fpa_n_b"]) for row in rows])
    for row, value in zip(rows, values, strict=True):
        row |= {"fpa_e_value": value, "fpa_preferred": "", "fpa_level": OPEN}
        if value >= ENOUGH:
            row["fpa_preferred"] = row["a"] if row["fpa_n_a"] > row["fpa_n_b"] else row["b"]
            row["fpa_level"] = TESTED
