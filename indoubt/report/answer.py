"""The answer at the top of the page: learner x task, the preferred rule, how sure that is, and by which numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from indoubt.data.codes import CodeKind
from indoubt.data.rules import RANDOM
from indoubt.engines.registry import OF_PROMPTS
from indoubt.found.wording import by_cell, in_short
from indoubt.measures.classify import DIVERGED, NO_RULE, OTHER
from indoubt.schema import CELL
from indoubt.schema.wording import counted, extent, number, share, span
from indoubt.statistics.paired import needed_to_test
from indoubt.statistics.preferences import DESCRIPTIVE, NOT_MEASURED, OPEN, TESTED
from indoubt.statistics.verdicts import ONE_CANDIDATE

#: What is known of a cell, in words: besides the levels of a verdict, why an open one is open.
UNFIT, NO_GIVEN_RULE, NO_CODE = "unfit", "no given rule", "no code"
STATES = {
    TESTED: "sure",
    NO_CODE: "follows a rule without a code",
    OPEN: "undecided",
    NO_GIVEN_RULE: "follows no given rule",
    UNFIT: "does not fit T",
    DIVERGED: "diverged",
    DESCRIPTIVE: "seen, too few seeds to test",
    ONE_CANDIDATE: "one candidate",
    NOT_MEASURED: "not measured",
}
#: The same of several cells, after their number.
OF_CELLS = {
    TESTED: "with a preference that is sure",
    NO_CODE: "that follow a rule without a code",
    OPEN: "undecided",
    NO_GIVEN_RULE: "that follow no given rule",
    UNFIT: "that do not fit T",
    DIVERGED: "that diverged",
    DESCRIPTIVE: "with too few seeds to test",
    ONE_CANDIDATE: "with one candidate",
    NOT_MEASURED: "whose codes diverged or are incomplete",
}
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Finding:
    """What is known of a learner at some sizes of a task.

    Attributes:
        sizes: `5, 10`.
        rule: the preferred or leading one; empty where there is none.
        state: a key of `STATES`.
        numbers: by size what decides: of the deciding measure first.
        sentence: all of it, to be quoted; `name`: its anchor on the page.
    """

    sizes: str
    rule: str
    state: str
    numbers: list[tuple[int, str]]
    sentence: str
    name: str

    @property
    def words(self) -> str:
        """The state in words."""
        return STATES[self.state]


@dataclass(frozen=True)
class Answer:
    """The matrix: for each learner, in the order of `tasks`, its findings; `summary` says it in a sentence,
    `cannot_tell` what some learners cannot tell apart, whatever their weights are.
    """

    tasks: list[str]
    rows: list[tuple[str, list[list[Finding]]]]
    summary: str
    cannot_tell: dict[str, str]


class Answers:
    """What the tables of a results folder answer.

    Args:
        tables: `verdicts`, `preferences`, `code_length`, `fpa` and `found_rules`.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame]) -> None:
        self._verdicts = tables["verdicts"]
        code, fpa = tables["code_length"], tables["fpa"]
        self._bits = {cell: rows for cell, rows in code[code["candidate"] != RANDOM].groupby(CELL)}  # noqa: C416
        self._kinds = dict(zip(zip(fpa["task"], fpa["class"], strict=True), fpa["kind"], strict=True))
        self._found = {cell: in_short(rows) for cell, rows in by_cell(tables["found_rules"])}
        of_prompts = (table.loc[table["engine"].isin(OF_PROMPTS), "learner"] for table in (code, fpa))
        self._of_prompts = {learner for learners in of_prompts for learner in learners}
        families = tables["preferences"].groupby("task")["fpa_n_family"].max().to_dict()
        self._needed = {task: needed_to_test(int(n)) if n > 0 else 0 for task, n in families.items()}

    def matrix(self, tasks: Sequence[str], learners: Sequence[str]) -> Answer:
        """All learners by all tasks, in these orders."""
        rows = [(learner, [self.findings(task, learner) for task in tasks]) for learner in learners]
        states = [self._state(row) for row in self._verdicts.to_dict("records")]
        seeds = sorted({*self._verdicts["fpa_n"], *self._verdicts["code_n"]} - {0})
        each = "prompt" if self._of_prompts >= set(self._verdicts["learner"]) and seeds else "seed"
        of = "no seeds" if not seeds else f"{extent(seeds)} {each}{'s' * (seeds[-1] > 1)} each"
        parts = [f"{states.count(state)} {words}" for state, words in OF_CELLS.items() if state in states]
        summary = f"{counted(len(states), 'cell')} (task, size, learner) with {of}: {', '.join(parts)}."
        blind = self._verdicts[self._verdicts["cannot_tell"] != ""]
        what = {
            str(name): " or ".join(str(kinds).split())
            for name, kinds in zip(blind["learner"], blind["cannot_tell"], strict=True)
        }
        return Answer(list(tasks), rows, summary, what)

    def findings(self, task: str, learner: str) -> list[Finding]:
        """The findings of one learner on one task, sizes with the same finding together."""
        of = self._verdicts
        records = of[(of["task"] == task) & (of["learner"] == learner)].sort_values("size").to_dict("records")
        groups: dict[tuple[str, str], list[Record]] = {}
        for row in records:
            state = self._state(row)
            groups.setdefault((state, self._lead(row, state)), []).append({str(key): row[key] for key in row})
        return [self._finding(state, rule, rows) for (state, rule), rows in groups.items()]

    def _state(self, row: Mapping[Any, Any]) -> str:
        """What is known of a cell: that it does not fit T before all else, and why an open verdict is open."""
        most = 2 * row["fpa_count"] > row["fpa_n"]
        if most and row["fpa_class"] == DIVERGED:
            return DIVERGED
        if 2 * row["fpa_n_fit"] < row["fpa_n"]:
            return UNFIT
        if row["level"] == TESTED:
            return TESTED
        if most and row["fpa_class"] == OTHER:
            return NO_GIVEN_RULE
        if most and self._kinds.get((row["task"], row["fpa_class"]), "") not in ("", "candidate"):
            return NO_CODE
        return str(row["level"])

    def _lead(self, row: Mapping[Any, Any], state: str) -> str:
        """The preferred rule; where there were too few seeds to test, the one that most of them follow."""
        if state == NO_CODE:
            return str(row["fpa_class"])
        if state in (UNFIT, DIVERGED, NO_GIVEN_RULE):
            return ""
        if state == DESCRIPTIVE:
            lead = str(row["code_lead"] if _by_code(row) else row["fpa_class"])
            return "" if lead in NO_RULE else lead
        return str(row["rule"])

    def _finding(self, state: str, rule: str, rows: list[Record]) -> Finding:
        numbers = [(int(row["size"]), self._numbers(row, state, rule)) for row in rows]
        sizes = ", ".join(str(size) for size, _ in numbers)
        where = f"{rows[0]['learner']} on {rows[0]['task']}, size{'s' * (len(rows) > 1)} {sizes}"
        alone = len(numbers) == 1
        details = "; ".join(text if alone else f"size {size}: {text}" for size, text in numbers if text)
        head = f"{rule} ({STATES[state]})" if rule else STATES[state]
        name = re.sub(r"[^A-Za-z0-9]+", "-", f"{where} {rule} {state}").strip("-")
        return Finding(sizes, rule, state, numbers, f"{where}: {'; '.join(filter(None, [head, details]))}.", name)

    def _numbers(self, row: Record, state: str, rule: str) -> str:
        """What decides in a cell, the deciding measure first, then the other one."""
        by_code = _by_code(row)
        fit = f"{row['fpa_n_fit']} of {row['fpa_n']} {self._seeds(row)} fit T"
        if state == DIVERGED:
            return self._fpa(row)
        if state == UNFIT:
            codes = self._codes(row, str(row["code_rule"] or row["code_lead"])) if by_code else ""
            return ", ".join(filter(None, [fit, codes and f"code lengths: {codes}"]))
        if state in (NO_GIVEN_RULE, NO_CODE):
            cell = row["task"], int(row["size"]), row["learner"]
            found = self._found.get(cell, "") if state == NO_GIVEN_RULE else ""
            codes = str(row["code_verdict"]).split(";")[0] if by_code else ""
            seeds = self._fpa(row)
            if state == NO_GIVEN_RULE:
                of = f"{row['fpa_count']} of {row['fpa_n']} {self._seeds(row)}"
                seeds = f"{of} {_interval(row)} follow none of its rules"
            return ", ".join(filter(None, [seeds, found and f"found: {found}", codes and f"code lengths: {codes}"]))
        shares = self._fpa(row) if rule and row["fpa_class"] == rule else ""
        if not by_code:
            needed = self._needed.get(row["task"], 0) if state == DESCRIPTIVE else 0
            counts = shares or " ".join(filter(None, ["FPA", str(row["fpa_verdict"]), _interval(row)]))
            return counts + f", {needed} {self._seeds(row)} needed to test" * (needed > 0)
        beyond = str(row["verdict"]).removeprefix(str(row["code_verdict"])).removeprefix(", ")
        code = self._codes(row, rule) if state == TESTED else str(row["code_verdict"])
        return ", ".join(filter(None, [code, shares, beyond]))

    def _fpa(self, row: Record) -> str:
        """`FPA 15 of 24 seeds [0.43, 0.79]` of the class of most seeds."""
        return f"FPA {row['fpa_count']} of {row['fpa_n']} {self._seeds(row)} {_interval(row)}"

    def _seeds(self, row: Record) -> str:
        """What its seeds are: of a language model that is read in context, prompts."""
        return "prompts" if row["learner"] in self._of_prompts else "seeds"

    def _codes(self, row: Record, rule: str) -> str:
        """`2.17 bits against 43.0 (linear), n = 12`: a rule's mean code length, and the shortest of the others'.

        Of raced codes, and by the first block, in the words of the verdict.
        """
        bits = self._bits.get((row["task"], row["size"], row["learner"]))
        if bits is None or not rule or bits["n_at_least"].any():
            return str(row["code_verdict"])
        means = bits.set_index("candidate")["bits_mean"].astype(float)
        others = means.drop(rule).dropna()
        against = f" against {number(float(others.min()))} ({others.idxmin()})" if len(others) else ""
        kind = CodeKind(str(row["codes"]), str(row["blocks"])).words  # type: ignore[arg-type]
        return f"{number(float(means[rule]))} bits{against}, n = {int(row['code_n'])}" + f", {kind}" * bool(kind)


def _by_code(row: Mapping[Any, Any]) -> bool:
    """Whether a verdict is by code length."""
    return bool(row["by"] == "code" and row["code_level"] != NOT_MEASURED)


def _interval(row: Record) -> str:
    return span(float(row["fpa_ci_low"]), float(row["fpa_ci_high"]), share) if row["fpa_class"] else ""
