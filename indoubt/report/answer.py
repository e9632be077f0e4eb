"""The answer at the top of the page: learner x task, the preferred rule, how sure that is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pandas as pd

from indoubt.measures.classify import NO_RULE
from indoubt.statistics.paired import needed_to_test
from indoubt.statistics.preferences import DESCRIPTIVE, NOT_MEASURED, OPEN, TESTED
from indoubt.statistics.verdicts import ONE_CANDIDATE

#: How sure each level of a verdict is, in words.
SURE = {
    TESTED: "sure",
    OPEN: "no clear preference",
    DESCRIPTIVE: "seen, not tested",
    NOT_MEASURED: "not measured",
    ONE_CANDIDATE: "one candidate",
}


@dataclass(frozen=True)
class Finding:
    """What is known of a learner at some sizes of a task: `rule` (the preferred or leading one), how sure, and why.

    `sentence` says it whole, to be quoted; `name` is its anchor on the page.
    """

    sizes: str
    rule: str
    level: str
    sure: str
    detail: str
    sentence: str
    name: str


@dataclass(frozen=True)
class Answer:
    """The matrix: for each learner, in the order of `tasks`, its findings; `summary` says it in a sentence."""

    tasks: list[str]
    rows: list[tuple[str, list[list[Finding]]]]
    summary: str


def answer(verdicts: pd.DataFrame, code: pd.DataFrame) -> Answer:
    """The matrix of a results folder.

    Args:
        verdicts: the table `verdicts`, `with_seeds_needed`.
        code: the table `code_length`; gives the leading rule where none is preferred.
    """
    tasks, learners = sorted(set(verdicts["task"])), sorted(set(verdicts["learner"]))
    rows = [
        (learner, [findings(verdicts[(verdicts["learner"] == learner) & (verdicts["task"] == task)]) for task in tasks])
        for learner in learners
    ]
    levels = verdicts["level"].value_counts().to_dict()
    n = len(verdicts)
    parts = [f"{levels[level]} {word}" for level, word in (
        (TESTED, "with a clear preference"), (OPEN, "without one"), (DESCRIPTIVE, "with too few seeds to test"),
        (ONE_CANDIDATE, "with one candidate"), (NOT_MEASURED, "whose trainings all diverged or are incomplete"),
    ) if level in levels]  # fmt: skip
    seeds = sorted({*code["n_seeds"], *verdicts["fpa_n"]} - {0})
    of = f"{int(seeds[0])}" if len(seeds) == 1 else f"{int(seeds[0])} to {int(seeds[-1])}" if seeds else "no"
    return Answer(tasks, rows, f"{n} cells (task, size, learner) with {of} seeds each: {', '.join(parts)}.")


def with_seeds_needed(verdicts: pd.DataFrame, preferences: pd.DataFrame) -> pd.DataFrame:
    """The verdicts with `fpa_needed`: how many seeds a test of FPA takes, corrected over the task; 0 without pairs."""
    families = preferences.groupby("task")["fpa_n_family"].max().to_dict()
    needed = {task: needed_to_test(int(n)) if n > 0 else 0 for task, n in families.items()}
    return verdicts.assign(fpa_needed=[needed.get(task, 0) for task in verdicts["task"]])


def findings(verdicts: pd.DataFrame) -> list[Finding]:
    """The findings of one learner on one task, sizes with the same finding together.

    Args:
        verdicts: its rows, `with_seeds_needed`.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    records: list[dict[str, Any]] = [{str(k): v for k, v in r.items()} for r in verdicts.to_dict("records")]
    for row in sorted(records, key=lambda r: int(r["size"])):
        groups.setdefault((row["level"], _lead(row)), []).append(row)
    return [_finding(level, rule, rows) for (level, rule), rows in groups.items()]


def _lead(row: dict[str, Any]) -> str:
    """The preferred rule; where there were too few seeds to test, the one that most of them follow."""
    if row["level"] == DESCRIPTIVE:
        return str(row["code_lead"] if row["code_level"] != NOT_MEASURED else row["fpa_class"])
    return str(row["rule"])


def _finding(level: str, rule: str, rows: list[dict[str, Any]]) -> Finding:
    by_code = rows[0]["code_level"] != NOT_MEASURED
    measure = "code" if by_code else "fpa"
    detail = []
    if level == DESCRIPTIVE and (rule or not by_code):
        counts, n = (_range([row[f"{measure}_{key}"] for row in rows], ".0f") for key in ("count", "n"))
        detail += [f"in {counts} of {n} seeds" if rule else str(rows[0]["verdict"]) if len(rows) == 1 else f"n = {n}"]
        detail += [f"{max(row[f'{measure}_needed'] for row in rows)} needed to test"]
    elif len(rows) == 1 and level != TESTED:
        said = str(rows[0]["code_verdict" if by_code else "verdict"])
        detail += [said.replace("no clear preference at ", "")]
    elif by_code:
        detail += [f"n = {_range([row['code_n'] for row in rows], '.0f')}"]
    leading = [row for row in rows if (row["fpa_class"] == rule if rule else level == OPEN and not by_code)]
    detail += _share(leading, with_n=not by_code and level == TESTED)
    fitting = [(row["fpa_n_fit"], row["fpa_n"]) for row in rows if 2 * row["fpa_n_fit"] < row["fpa_n"]]
    if fitting and rule not in NO_RULE:  # what a learner prefers that has not learned T is a weak finding
        fit, of = (_range([pair[i] for pair in fitting], ".0f") for i in (0, 1))
        detail += [f"but only {fit} of {of} fit T"]
    if by_code:  # what a verdict says beyond that of the code lengths: most seeds follow a rule that has no code
        beyond = (str(row["verdict"]).removeprefix(str(row["code_verdict"])).removeprefix(", ") for row in rows)
        detail += [part for part in beyond if part]
    sizes = ", ".join(str(row["size"]) for row in rows)
    where = f"{rows[0]['learner']} on {rows[0]['task']}, size{'s' * (len(rows) > 1)} {sizes}"
    said = "; ".join(part for part in (f"{rule} ({SURE[level]})" if rule else SURE[level], ", ".join(detail)) if part)
    name = re.sub(r"[^A-Za-z0-9]+", "-", f"{where} {rule} {level}").strip("-")
    return Finding(sizes, rule, level, SURE[level], ", ".join(detail), f"{where}: {said}.", name)


def _share(rows: list[dict[str, Any]], with_n: bool) -> list[str]:
    """The share of seeds that follow the rule, with its Wilson interval, in one cell or from the least to the most."""
    if not rows:
        return []
    shares, low, high = ([float(row[f"fpa_{key}"]) for row in rows] for key in ("share", "ci_low", "ci_high"))
    interval = f"[{min(low):.2f}, {max(high):.2f}]"
    n = f", n = {_range([row['fpa_n'] for row in rows], '.0f')}" if with_n else ""
    return [f"FPA {_range(shares, '.2f')} {interval}{n}"]


def _range(values: list[Any], form: str) -> str:
    """`0.80 to 0.95`, or the one value."""
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"
