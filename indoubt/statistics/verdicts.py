"""The answer per cell: which rule the learner prefers, by which measure, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

import pandas as pd

from indoubt.data.codes import FIRST
from indoubt.data.rules import CANDIDATE, FOUND, RANDOM, RULE
from indoubt.measures.code_length import KNOWN
from indoubt.measures.rows import Row, either
from indoubt.schema import CELL, KIND, PROTOCOL, columns_of
from indoubt.schema.wording import p_in_words
from indoubt.statistics.preferences import (
    DESCRIPTIVE,
    NOT_COMPARED,
    NOT_MEASURED,
    OPEN,
    SIGNS,
    TESTED,
    Cell,
    settling,
    with_kind,
)
from indoubt.statistics.stopping import ENOUGH

ONE_CANDIDATE = "one candidate"


def verdicts_table(
    preferences: pd.DataFrame,
    lengths: pd.DataFrame,
    fpa: pd.DataFrame,
    code: pd.DataFrame,
    cannot_tell: Mapping[str, Sequence[str]] | None = None,
    unrepresentable: Mapping[Cell, Container[str]] | None = None,
) -> pd.DataFrame:
    """One row per (task, size, learner).

    `rule` is the preferred one: by code length where that is measured, else by FPA, which also goes before the code
    length of the first block alone where it decides (`by` says which measure it is); it is named only if it is
    preferred to every other candidate (`level` tested). With too few seeds to test, `code_lead` is the rule that has
    the shortest code in most seeds, `code_count` of them, and `code_needed` seeds would be needed. `agree` says
    whether the rule with the shortest mean code is that of most seeds; empty where a measure or a rule is missing.
    Where more than half of the seeds follow a rule that is no candidate, and so has no code, `verdict` says so too.

    Args:
        cannot_tell: of learners what their architecture cannot tell (`indistinguishable`), which the column of this
            name says.
        unrepresentable: of cells the rules that their learner therefore cannot represent, which are not compared.
    """
    groups = {name: dict(list(f.groupby(CELL))) for name, f in
              (("pairs", preferences), ("lengths", lengths), ("fpa", fpa), ("code", code))}  # fmt: skip
    empty = {"pairs": preferences[:0], "lengths": lengths[:0], "fpa": fpa[:0], "code": code[:0]}
    of_cells: Mapping[Any, Container[str]] = unrepresentable or {}
    rows = []
    for cell in sorted({*groups["fpa"], *groups["code"]}):
        beyond = of_cells.get(cell, ())
        of = {name: groups[name].get(cell, empty[name]) for name in groups}
        by_code, by_fpa = (
            _by_code(of["pairs"], of["lengths"], of["code"], beyond),
            _by_fpa(of["pairs"], of["fpa"], beyond),
        )
        measure = _leads(by_code, by_fpa)
        lead = by_code if measure == "code" else by_fpa
        shortest, most = by_code.pop("shortest"), by_fpa["fpa_class"]
        rule = by_code["code_rule"] if measure == "code" else (most if by_fpa["fpa_level"] == TESTED else "")
        yet = f", yet {by_fpa['fpa_verdict']}" if measure == "code" and _outside(by_fpa, of["fpa"]) else ""
        rows.append(
            dict(zip(CELL, cell, strict=True))
            | {"rule": rule, "level": lead[f"{measure}_level"], "verdict": lead[f"{measure}_verdict"] + yet}
            | by_code
            | by_fpa
            | {"agree": str(shortest == most) if shortest and most in _candidates(of["fpa"]) else "", "by": measure}
            | {part: either([*of["code"][part], *of["fpa"][part]]) for part in PROTOCOL}
            | {"cannot_tell": " ".join((cannot_tell or {}).get(str(cell[2]), ()))}
        )
    return pd.DataFrame(rows, columns=columns_of("verdicts"))


def _leads(by_code: Row, by_fpa: Row) -> str:
    """The measure that a cell's verdict is by: FPA goes before the code of the first block alone where it decides."""
    if by_code["code_level"] == NOT_MEASURED:
        return "code" if by_fpa["fpa_level"] == NOT_MEASURED else "fpa"
    return "fpa" if by_code["codes"] == FIRST and by_fpa["fpa_level"] == TESTED else "code"


def _by_code(pairs: pd.DataFrame, lengths: pd.DataFrame, code: pd.DataFrame, beyond: Container[str]) -> Row:
    """The verdict by code length."""
    code = code[code["candidate"] != RANDOM]
    pairs = pairs[~pairs["level"].isin(NOT_COMPARED)]
    kind = {name: str(either(code[name])) for name in KIND}
    answer = _answer(pairs, lengths, code, beyond, kind["codes"] == FIRST)
    if kind["codes"] == FIRST:  # no code was measured that could be the shortest
        answer["shortest"] = ""
    if answer["code_level"] != NOT_MEASURED:
        answer["code_verdict"] = with_kind(answer["code_verdict"], *kind.values())
    return answer | kind


def _answer(pairs: pd.DataFrame, lengths: pd.DataFrame, code: pd.DataFrame, beyond: Container[str], first: bool) -> Row:
    """The same, without saying how codes were measured; `first`: by the first block."""
    means = code.set_index("candidate")["bits_at_least" if first else "bits_mean"].dropna()
    raced = bool((pairs["test"] == SIGNS).any())
    n = int(pairs["n_seeds"].min()) if len(pairs) else int(code["n_seeds"].max()) if len(code) else 0
    n = lengths.loc[lengths["state"].isin(KNOWN), "seed"].nunique() if raced else n
    answer: Row = {"code_n": n, "code_rule": "", "code_level": OPEN, "shortest": ""}
    answer |= {"code_lead": "", "code_count": 0, "code_needed": 0}
    if code["bits_at_least"].isna().all():
        n_lost = int(code[["n_diverged", "n_incomplete"]].to_numpy().sum()) if len(code) else 0
        text = f"no complete code ({n_lost} diverged or incomplete)" if n_lost else "not measured"
        return answer | {"code_level": NOT_MEASURED, "code_verdict": text}
    answer["shortest"] = str(means.idxmin()) if len(means) and (means == means.min()).sum() == 1 else ""
    if pairs.empty:
        return answer | {"code_level": ONE_CANDIDATE, "code_verdict": _nothing_to_compare([*code["candidate"]], beyond)}
    in_steps = bool(pairs["e_value"].notna().any())
    beaten = {r["a"] if r["preferred"] == r["b"] else r["b"] for r in pairs.to_dict("records") if r["preferred"]}
    rules = list(dict.fromkeys([*pairs["a"], *pairs["b"]]))
    left = [rule for rule in rules if rule not in beaten]
    won = pairs.groupby("preferred").size()
    for rule in rules:
        if won.get(rule, 0) == len(rules) - 1:
            of_rule = pairs[pairs["preferred"] == rule]
            sure = p_in_words(float(of_rule["p_signflip_holm"].max()))
            sure += " by signs" * raced
            if in_steps:
                sure = f"e-value {of_rule['e_value'].min():.3g}"
            text = f"{rule} preferred (n = {n}, {sure})"
            return answer | {"code_rule": rule, "code_level": TESTED, "code_verdict": text}
    needed = int(pairs["seeds_to_test"].max())
    if (pairs["level"] == DESCRIPTIVE).any() and not (raced and n >= needed):
        return answer | {"code_level": DESCRIPTIVE, "code_needed": needed} | _described(lengths, rules, needed)
    shortest = answer["shortest"]
    undecided = pairs[pairs["level"] == OPEN]
    leading = undecided[(undecided["a"] == shortest) | (undecided["b"] == shortest)]
    rest = [rule for rule in rules if rule in beaten]
    over = f" ({' or '.join(left)} over {', '.join(rest)})" if rest and left else ""
    if in_steps:
        return answer | {"code_verdict": f"not sure at n = {n}{over} (e-values below {ENOUGH:.0f})"}
    if raced:
        counts = _shortest(lengths, rules)
        said = ", ".join(f"{rule} in {counts.get(rule, 0)}" for rule in rules)
        return answer | {"code_verdict": f"no clear preference at n = {n}{over}; shortest: {said}"}
    settle = (leading if len(leading) else undecided)["seeds_to_settle"]
    text = settling(0 if (settle == 0).any() else int(max(settle, default=0)))
    return answer | {"code_verdict": f"no clear preference at n = {n}{over}{text}"}


def _nothing_to_compare(candidates: list[str], beyond: Container[str]) -> str:
    """Why the candidates of a cell are not compared."""
    within = [rule for rule in candidates if rule not in beyond]
    if within == candidates:
        return f"one candidate ({candidates[0]}), no comparison"
    return f"of the candidates it can represent {within[0] if within else 'none'}: no comparison"


def _described(lengths: pd.DataFrame, rules: list[str], needed: int) -> Row:
    """`3 of 4 seeds: linear; 11 needed to test`: the rule that has the shortest code in most seeds."""
    codes = _codes(lengths, rules)
    if codes.empty:
        return {"code_verdict": f"no seed completed all codes; {needed} needed to test"}
    counts = _shortest(lengths, rules)
    best = max(counts.values(), default=0)
    names = [rule for rule, count in counts.items() if count == best and best]
    if not names:
        return {"code_verdict": f"equal codes in {len(codes)} of {len(codes)} seeds; {needed} needed to test"}
    text = f"{best} of {len(codes)} seeds: {' and '.join(names)}{' each' * (len(names) > 1)}; {needed} needed to test"
    return {"code_verdict": text, "code_lead": names[0] if len(names) == 1 else "", "code_count": best}


def _codes(lengths: pd.DataFrame, rules: list[str]) -> pd.DataFrame:
    """What is known of the codes of seeds of which something is known of all rules: a row per seed, in bits."""
    known = lengths[lengths["state"].isin(KNOWN) & lengths["candidate"].isin(rules)]
    return known.pivot(index="seed", columns="candidate", values="bits_at_least").dropna()


def _shortest(lengths: pd.DataFrame, rules: list[str]) -> dict[str, int]:
    """In how many seeds each rule has the shortest code alone; in a race no code can be shorter than the winner's."""
    codes = _codes(lengths, rules)
    shortest = codes.eq(codes.min(axis=1), axis=0)
    alone = shortest[shortest.sum(axis=1) == 1]
    return {rule: int(alone[rule].sum()) for rule in rules if rule in alone}


def _by_fpa(pairs: pd.DataFrame, fpa: pd.DataFrame, beyond: Container[str]) -> Row:
    """The verdict by FPA: the class of most seeds."""
    if fpa.empty:
        nothing = {"fpa_n": 0, "fpa_n_fit": 0, "fpa_class": "", "fpa_count": 0, "fpa_share": math.nan}
        nothing |= {"fpa_ci_low": math.nan, "fpa_ci_high": math.nan}
        return nothing | {"fpa_level": NOT_MEASURED, "fpa_verdict": "not measured"}
    most = fpa[fpa["n"] == fpa["n"].max()]
    row: Any = most.iloc[0]
    name = str(row["class"]) if len(most) == 1 else ""
    measured = pairs[~pairs["fpa_level"].isin(NOT_COMPARED)]
    candidates = _candidates(fpa)
    within = {rule for rule in candidates if rule not in beyond}
    others = len(within - {name})
    tested = name in candidates and others > 0 and int((measured["fpa_preferred"] == name).sum()) == others
    few = bool((measured["fpa_level"] == DESCRIPTIVE).any())
    level = TESTED if tested else DESCRIPTIVE if few else ONE_CANDIDATE if len(within) < 2 <= len(candidates) else OPEN
    text = " and ".join(most["class"]) + (" each" if len(most) > 1 else "")
    return {
        "fpa_n": int(row["n_seeds"]),
        "fpa_n_fit": int(row["n_fit"]),
        "fpa_class": name,
        "fpa_count": int(row["n"]),
        "fpa_share": float(row["fpa"]),
        "fpa_ci_low": float(row["ci_low"]),
        "fpa_ci_high": float(row["ci_high"]),
        "fpa_level": level,
        "fpa_verdict": f"{row['n']} of {row['n_seeds']} seeds: {text}{_steps(measured, name if tested else '')}",
    }


def _steps(pairs: pd.DataFrame, rule: str) -> str:
    """Of seeds that came in steps, the evidence by which a rule is preferred, or that there is not enough of it."""
    if pairs["fpa_e_value"].isna().all():
        return ""
    least = pairs.loc[pairs["fpa_preferred"] == rule, "fpa_e_value"].min()
    return f" (e-value {least:.3g})" if rule else f" (not sure: e-values below {ENOUGH:.0f})"


def _candidates(fpa: pd.DataFrame) -> set[str]:
    """The classes that are candidates: rules that only classify have no code length, and are not tested."""
    return set(fpa.loc[fpa["kind"] == CANDIDATE, "class"])


def _outside(by_fpa: Row, fpa: pd.DataFrame) -> bool:
    """Whether more than half of the seeds follow one rule that only classifies."""
    rules = set(fpa.loc[fpa["kind"].isin([RULE, FOUND]), "class"])
    return bool(by_fpa["fpa_class"] in rules and by_fpa["fpa_share"] > 0.5)
