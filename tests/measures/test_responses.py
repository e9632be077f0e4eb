"""Shares of responses, and classes of rules that only classify: small cases worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pytest

from indoubt.data.rules import criteria
from indoubt.data.task import Symbols, Task, line, load_tasks, words
from indoubt.measures.classify import classes, classify, predictions
from indoubt.measures.fpa import fpa_table, seed_classes
from indoubt.measures.responses import NONE, responses_table
from indoubt.schema import columns_of
from indoubt.statistics.preferences import preferences_table
from tests.shared.made_up import decode

SUMS = load_tasks()["add-or-mul"]
#: Lengths that size 5's rules give for inputs of 2, 3, 4, 6, 7 and 8 symbols; T is 5 to 10.
LENGTHS = {
    "add": (7, 8, 9, 11, 12, 13),
    "mul": (4, 6, 8, 12, 14, 16),
    "mem": (10, 10, 10, 10, 10, 10),
    "total": (13, 12, 11, 9, 8, 7),
    "interpolate": (5, 6, 8, 11, 13, 15),
}


def outputs(lengths: Sequence[int], trained: int = 10) -> list[Symbols]:
    """Outputs for inputs of 2 to 8 symbols, shortest first."""
    return [("b",) * n for n in (*lengths[:3], trained, *lengths[3:])]


def rows(*seeds: Sequence[int] | None, trained: int = 10) -> list[dict[str, Any]]:
    decodes = [
        decode("add-or-mul", 5, "lstm", s, None if given is None else [line(o) for o in outputs(given, trained)])
        for s, given in enumerate(seeds, 1)
    ]
    return predictions(SUMS, 5, decodes)


def test_kinds_of_criteria() -> None:
    kinds = {each.name: each.kind for each in criteria(SUMS)}
    assert kinds == {
        "add": "candidate",
        "mul": "candidate",
        "mem": "candidate",
        "total": "rule",
        "twice_less_capped": "found",
        "half_less_total": "found",
        "interpolate": "answer",
    }
    assert classes(SUMS) == (*kinds, "other", "unfit", "diverged")


@pytest.mark.parametrize("label", LENGTHS)
def test_a_seed_is_counted_under_the_name_of_what_it_follows(label: str) -> None:
    assert classify(SUMS, 5, outputs(LENGTHS[label])) == label
    assert classify(SUMS, 5, outputs(LENGTHS[label], trained=9)) == "unfit"


def test_one_response_off_is_other() -> None:
    assert classify(SUMS, 5, outputs((13, 12, 11, 9, 8, 8))) == "other"
    assert classify(SUMS, 5, [*outputs(LENGTHS["interpolate"])[:-1], ("c",) * 15]) == "other"


def silent_on_short(source: Symbols, size: int) -> Symbols | None:
    """Says nothing of inputs shorter than T's."""
    return ("b",) * 11 if len(source) > size else None


class Partial(type(SUMS)):  # type: ignore[misc]
    further_rules: Mapping[str, Any] = {"eleven": silent_on_short}
    answers: Mapping[str, Any] = {}


def test_a_rule_that_is_silent_is_followed_where_it_speaks() -> None:
    task: Task = Partial()
    assert classify(task, 5, outputs((1, 2, 3, 11, 11, 11))) == "eleven"
    assert classify(task, 5, outputs((11, 11, 11, 11, 11, 12))) == "other"
    assert classify(task, 5, outputs(LENGTHS["add"])) == "add"  # candidates come first


def test_shares_of_fpa_add_up_to_one_and_tell_kinds_apart() -> None:
    lines = rows(LENGTHS["total"], LENGTHS["total"], LENGTHS["mem"], LENGTHS["interpolate"], (0,) * 6, None)
    table = fpa_table(seed_classes(lines), {"add-or-mul": SUMS}).set_index("class")
    assert table["n"].to_dict() == {
        "add": 0, "mul": 0, "mem": 1, "total": 2, "twice_less_capped": 0, "half_less_total": 0, "interpolate": 1,
        "other": 1, "unfit": 0, "diverged": 1,
    }  # fmt: skip
    assert table["fpa"].sum() == pytest.approx(1)
    assert table["kind"].tolist() == ["candidate"] * 3 + ["rule", "found", "found", "answer", "", "", ""]


def test_rules_that_only_classify_are_not_tested_against_candidates() -> None:
    fpa = fpa_table(seed_classes(rows(*[LENGTHS["total"]] * 12)), {"add-or-mul": SUMS})
    pairs = preferences_table(pd.DataFrame(columns=columns_of("seed_code_lengths")), fpa)
    assert {*pairs["a"], *pairs["b"]} == {"add", "mul", "mem"} and set(pairs["fpa_n_family"]) == {3}


def shares(lines: list[dict[str, Any]]) -> pd.DataFrame:
    return responses_table(lines, {"add-or-mul": SUMS}).set_index("rule")


def test_shares_of_responses() -> None:
    """Seed 1 memorizes; seed 2 adds but for two inputs, of which one is of no rule; seed 3 diverged."""
    table = shares(rows(LENGTHS["mem"], (7, 8, 9, 11, 10, 99), None))
    given = {"add": 4, "mul": 0, "mem": 7, "total": 0, "interpolate": 4, NONE: 1}
    # `twice_less_capped` says 7, 9, 10, 10, 10, 10: four of the first's, two of the second's
    assert table["n"].to_dict() == given | {"twice_less_capped": 6, "half_less_total": 0}
    assert (table["n_seeds"] == 2).all() and (table["n_diverged"] == 1).all() and (table["n_responses"] == 12).all()
    assert table.loc["mem", "share"] == pytest.approx(7 / 12) and table.loc[NONE, "share"] == pytest.approx(1 / 12)
    assert table.loc["mem", "ci_low"] < 7 / 12 < table.loc["mem", "ci_high"]
    assert table.loc["mul", "ci_note"] == "all 2 seeds equal" and math.isnan(table.loc["mul", "ci_low"])
    assert table["kind"].to_dict()[NONE] == "" and table["kind"].to_dict()["interpolate"] == "answer"


def test_inputs_of_T_are_no_responses_and_unfit_seeds_count_apart() -> None:
    table = shares([*rows(LENGTHS["mem"]), *[r | {"seed": 2} for r in rows(LENGTHS["add"], trained=3)]])
    assert table.loc["add", ["n", "n_fit", "share", "share_given_fit"]].tolist() == [6, 1, 0.5, 0.0]
    assert table.loc["mem", ["n", "n_fit", "share", "share_given_fit"]].tolist() == [6, 1, 0.5, 1.0]


def test_the_interval_resamples_seeds_and_not_responses() -> None:
    """12 seeds of six equal responses each: as wide as the interval of 12 values, not of 72."""
    lines = rows(*[LENGTHS["mem"]] * 6, *[LENGTHS["add"]] * 6)
    row = shares(lines).loc["mem"]
    assert row["share"] == 0.5 and row["ci_high"] - row["ci_low"] > 0.4


def test_all_diverged() -> None:
    table = shares(rows(None, None))
    assert (table["n"] == 0).all() and table["share"].isna().all() and (table["n_diverged"] == 2).all()


def test_a_seed_fits_a_large_T_if_it_fits_the_sample() -> None:
    task = load_tasks()["scan-addprim-jump"]
    trained, sample = dict(task.training_set(1)), task.fit_inputs(1)
    answered = [trained.get(source, ("I_JUMP",)) for source in task.test_inputs(1)]
    assert len(sample) == 100 and classify(task, 1, answered) == "mem"
    wrong = [
        ("I_RUN",) if source == sample[0] else output
        for source, output in zip(task.test_inputs(1), answered, strict=True)
    ]
    assert classify(task, 1, wrong) == "unfit"


def test_an_answer_says_what_kind_of_error_it_is() -> None:
    task = load_tasks()["comp-or-mem-40"]
    given = [
        task.candidates["comp"](source, 6) if source in task.fit_inputs(6) else words("o2 o2 o2")
        for source in task.test_inputs(6)
    ]
    assert classify(task, 6, given) == "mem_func"
