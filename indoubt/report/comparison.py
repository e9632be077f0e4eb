"""Two results folders compared: which cells changed, by how much, and whether that is beyond the noise of seeds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from indoubt.errors import UserError
from indoubt.measures.code_length import AT_LEAST, COMPLETE
from indoubt.measures.intervals import EQUAL, bca
from indoubt.measures.rows import Row, either
from indoubt.report.archived_tables import COMPARED
from indoubt.schema import CELL, PROTOCOL
from indoubt.statistics.paired import ALPHA, compare, corrected, needed_to_test
from indoubt.statistics.permutations import changed_classes, independent_classes
from indoubt.tables.tables import read_table

COMPARISON_COLUMNS = [
    *["measure", *CELL, "candidate", "n_a", "n_b", "n_common", "n_equal", "change", "ci_low", "ci_high", "ci_note"],
    *["largest_change", "p", "p_holm", "state", "method", "seeds_needed"],
]
EQUAL_STATE, NOISE, BEYOND, ONLY_A, ONLY_B = "equal", "within seed noise", "beyond seed noise", "only in A", "only in B"
#: The seeds that both have are equal, but one has more of them; no change could be beyond the noise of so few seeds.
EQUAL_COMMON, FEW = "equal in common seeds", "too few seeds"
#: Names as a table has them: nothing that a terminal or a spreadsheet takes for more than text.
NAME = r"(?:\w[^\x00-\x1f\x7f-\x9f]*)?"
NUMBERS = ("size", "seed", "bits")


def compare_results(a: Path, b: Path) -> tuple[pd.DataFrame, list[str]]:
    """The comparison, one row per code length (task, size, learner, candidate) and per cell's rule classes; remarks.

    Seeds that both have are compared paired, by the same seed in A and in B: code lengths by sign flips, with a BCa
    interval of the mean change b - a in bits, rule classes by exact McNemar (of several classes, by swapping each
    seed's two classes at random). Without a common seed it is Mann-Whitney's U and Fisher's exact test. `change` of
    classes is the share of common seeds whose class changed.

    A change is beyond seed noise if its p is below .05 after Holm's correction over all rows that changed and have
    seeds enough for that p to be reached by any change. Where even the greatest change would not be beyond it, the
    state is `too few seeds`, and `seeds_needed` says how many it takes (in each of the two, if they share none).

    Args:
        a, b: folders of tables.
    """
    lengths, classes = ([_named(read_table(folder, name)) for folder in (a, b)] for name in COMPARED)
    rows = [*_codes(*lengths), *_classes(*classes)]
    _judge([row for row in rows if row["state"] == ""])
    return pd.DataFrame(rows, columns=COMPARISON_COLUMNS), _remarks(lengths, classes)


def _judge(rows: list[Row]) -> None:
    """The states of rows that changed.

    What cannot be decided whatever its seeds do takes no part in the correction: R. E. Tarone, Biometrics 46 (1990).
    """
    family = [row for row in rows if _least_p(row) < ALPHA]
    for row, p in zip(family, corrected([row["p"] for row in family], "holm"), strict=True):
        row["p_holm"] = p
    for row in rows:
        if row.get("p_holm", 1.0) < ALPHA:
            row["state"] = BEYOND
        elif _least_p(row) * max(len(family), 1) >= ALPHA:
            row["state"], row["seeds_needed"] = FEW, _needed(row, max(len(family), 1))
        else:
            row["state"] = NOISE


def _least_p(row: Row) -> float:
    """The smallest two-sided p that a row's seeds can give, whatever they do."""
    if row["n_common"]:
        return float(2.0 ** (1 - row["n_common"]))
    return min(1.0, 2 / math.comb(row["n_a"] + row["n_b"], row["n_a"]))


def _needed(row: Row, n_family: int) -> int:
    """The fewest seeds with which a row like this could be beyond seed noise."""
    if row["n_common"]:
        return needed_to_test(n_family)
    n = 2
    while n_family * 2 / math.comb(2 * n, n) >= ALPHA:
        n += 1
    return n


def _named(table: pd.DataFrame) -> pd.DataFrame:
    """A table, if its words are names and its numbers numbers."""
    for column in table.columns:
        if not pd.api.types.is_numeric_dtype(table[column]):
            wrong = table[~table[column].astype(str).str.fullmatch("" if column in NUMBERS else NAME)]
            if len(wrong):
                raise UserError(f"what is compared is no table of doubt: it has {wrong[column].iloc[0]!r} as {column}")
    return table


def _codes(a: pd.DataFrame, b: pd.DataFrame) -> Iterator[Row]:
    keys = [*CELL, "candidate"]
    groups = [dict(list(f[f["state"] == COMPLETE].groupby(keys))) for f in (a, b)]
    for key in sorted({*groups[0], *groups[1]} - set(_of_other_kinds(a, b))):
        row: Row = {"measure": "code length (bits)", **dict(zip(keys, key, strict=True))}
        sides = [g[key].set_index("seed")["bits"].astype(float) if key in g else pd.Series(dtype=float) for g in groups]
        both = pd.concat(sides, axis=1, join="inner", keys=["a", "b"]).to_numpy(dtype=float)
        row |= {"n_a": len(sides[0]), "n_b": len(sides[1]), "n_common": len(both), "state": ""}
        row |= _one_sided(row) or (_paired(both, key) if len(both) else _unpaired(sides[0], sides[1], str(key)))
        yield row | _if_equal(row)


def _of_other_kinds(a: pd.DataFrame, b: pd.DataFrame) -> dict[tuple[object, ...], str]:
    """Cells' rules whose codes are not compared, and why: in other blocks, or known from below in some seeds."""
    keys = [*CELL, "candidate"]
    sent: list[dict[Any, str]] = [f.groupby(keys)["blocks"].first().to_dict() for f in (a, b)]
    below: set[Any] = {
        key for f in (a, b) for key in f.loc[f["state"] == AT_LEAST, keys].itertuples(index=False, name=None)
    }
    kinds: dict[tuple[object, ...], str] = {
        key: "known from below alone in some seeds" for key in below if key in sent[0] and key in sent[1]
    }
    differ = {key: (old, sent[1][key]) for key, old in sent[0].items() if key in sent[1] and old != sent[1][key]}
    return kinds | {key: f"sent in blocks `{old}` in A and `{new}` in B" for key, (old, new) in differ.items()}


def _one_sided(row: Row) -> Row:
    """For what only one of the two has."""
    if row["n_a"] and row["n_b"]:
        return {}
    state = ONLY_A if row["n_a"] else ONLY_B
    return dict.fromkeys(("change", "ci_low", "ci_high", "p"), math.nan) | {"n_equal": 0, "state": state, "method": ""}


def _if_equal(row: Row) -> Row:
    """The state where no common seed changed."""
    if not 0 < row["n_common"] == row["n_equal"]:
        return {}
    return {
        "state": EQUAL_STATE if row["n_a"] == row["n_b"] == row["n_common"] else EQUAL_COMMON,
        "p": 1.0,
        "p_holm": 1.0,
    }


def _paired(both: NDArray[np.float64], key: tuple[object, ...]) -> Row:
    old, new = both[:, 0], both[:, 1]
    equal = np.abs(new - old) <= EQUAL * np.maximum(np.abs(new), np.abs(old))
    result = compare(new, old, "/".join(map(str, key)))
    return {
        "n_equal": int(equal.sum()),
        "change": result.mean,
        "ci_low": result.interval.low,
        "ci_high": result.interval.high,
        "ci_note": result.interval.note,
        "largest_change": float(np.abs(new - old).max()),
        "p": result.p_signflip,
        "state": "",
        "method": "paired over seeds: sign-flip, BCa",
    }


def _unpaired(a: pd.Series, b: pd.Series, name: str) -> Row:
    change = float(b.mean() - a.mean())
    enough = len(a) > 1 and len(b) > 1
    p = float(stats.mannwhitneyu(a, b).pvalue) if enough else math.nan
    interval = bca([], name)
    return {
        "n_equal": 0,
        "change": change,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "ci_note": "no seed in common",
        "largest_change": math.nan,
        "p": p,
        "method": "Mann-Whitney U",
    }


def _classes(a: pd.DataFrame, b: pd.DataFrame) -> Iterator[Row]:
    groups = [dict(list(f.groupby(CELL))) for f in (a, b)]
    for key in sorted({*groups[0], *groups[1]}):
        sides = [g[key].set_index("seed")["class"] if key in g else pd.Series(dtype=str) for g in groups]
        both = pd.concat(sides, axis=1, join="inner", keys=["a", "b"])
        row: Row = {"measure": "rule classes", **dict(zip(CELL, key, strict=True)), "candidate": ""}
        row |= {"n_a": len(sides[0]), "n_b": len(sides[1]), "n_common": len(both), "state": ""}
        alone = _one_sided(row)
        if not alone:
            n_equal = int((both["a"] == both["b"]).sum())
            alone = {"n_equal": n_equal, "change": 1 - n_equal / len(both) if len(both) else math.nan}
            alone |= {"ci_low": math.nan, "ci_high": math.nan} | _of_classes(both, sides)
        row |= alone
        yield row | _if_equal(row)


def _of_classes(both: pd.DataFrame, sides: list[pd.Series]) -> Row:
    """The test of a cell's classes."""
    if len(both):
        changed = both[both["a"] != both["b"]]
        two = len({*changed["a"], *changed["b"]}) == 2
        method = f"paired over seeds: {'exact McNemar' if two else 'classes swapped within seeds'}"
        return {"p": changed_classes(list(both["a"]), list(both["b"])), "method": method}
    labels = sorted({*sides[0], *sides[1]})
    counts = np.array([[int((side == label).sum()) for side in sides] for label in labels])
    return {"p": independent_classes(counts), "method": "Fisher exact"}


def _remarks(lengths: list[pd.DataFrame], classes: list[pd.DataFrame]) -> list[str]:
    """Differences of protocol, engine and torch between the two."""
    remarks = []
    for part in (*PROTOCOL, "engine", "device", "torch"):
        old, new = (either([*lengths[i][part], *classes[i][part]]) for i in (0, 1))
        if old != new and old and new:
            remarks.append(f"{part}: {old} in A, {new} in B")
    kinds = _of_other_kinds(*lengths)
    remarks += [f"{'/'.join(map(str, key))}: codes are not compared: {why}" for key, why in sorted(kinds.items())]
    return [*remarks, *_changed_states(*lengths)]


def _changed_states(a: pd.DataFrame, b: pd.DataFrame) -> Iterator[str]:
    """Codes that are complete in one and not in the other: they take no part in the comparison of lengths."""
    both = a.merge(b, on=[*CELL, "candidate", "seed"], suffixes=("_a", "_b"))
    differ = both[both["state_a"] != both["state_b"]]
    for key, of in differ.groupby([*CELL, "candidate", "state_a", "state_b"]):
        *cell, old, new = map(str, key)
        yield f"{'/'.join(cell)}: of {len(of)} seed{'s' * (len(of) > 1)} the code is {old} in A and {new} in B"
