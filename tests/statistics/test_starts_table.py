"""What came before: the table of starts, and its test over paired seeds."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from indoubt.data.starts import Stage, Start
from indoubt.data.task import load_tasks
from indoubt.measures.code_length import uniform_bits
from indoubt.schema import columns_of
from indoubt.statistics.starts import paired_p, starts_table

TASKS = load_tasks()
LINEAR = Start((Stage("hierar-or-linear", 4, "linear", 5),))
STARTS = {"after": {"start": asdict(LINEAR), "base": "plain"}}
TASK = "odd-or-place"


def seeds_of(learner: str, classes: str, task: str = TASK) -> list[dict[str, Any]]:
    names = {"o": "oddone", "l": "left", "u": "unfit", "d": "diverged"}
    return [
        dict.fromkeys(columns_of("seed_classes"), "")
        | {"task": task, "size": 4, "learner": learner, "seed": seed, "class": names[each], "fits": each in "ol"}
        for seed, each in enumerate(classes, start=1)
    ]


def table(plain: str, after: str, fits: str = "", starts: Any = None) -> pd.DataFrame:
    frame = pd.DataFrame(seeds_of("plain", plain) + seeds_of("after", after), columns=columns_of("seed_classes"))
    said = {"y": ("ok", True), "n": ("ok", False), "d": ("diverged", None)}
    decodes = [
        {"task": TASK, "size": 4, "learner": "after", "seed": seed, "start": {"status": said[e][0], "fits": said[e][1]}}
        for seed, e in enumerate(fits or "y" * len(after), start=1)
    ]
    return starts_table(frame, decodes, STARTS if starts is None else starts, TASKS)


def test_two_classes_are_tested_as_mcnemar_does() -> None:
    for b, c in ((5, 0), (6, 1), (4, 4), (9, 2)):
        after, before = ["x"] * b + ["y"] * c + ["x"] * 3, ["y"] * b + ["x"] * c + ["x"] * 3
        assert paired_p(after, before, "it") == pytest.approx(stats.binomtest(b, b + c).pvalue)


def test_many_differing_seeds_are_drawn_and_more_classes_count() -> None:
    assert paired_p(["a"] * 30, ["b"] * 30, "it") == pytest.approx(1e-5, rel=0.01)
    assert paired_p(["a", "b"], ["a", "b"], "it") == 1 and math.isnan(paired_p(["a"], ["b"], "it"))
    # Three seeds that go round in a circle leave the counts as they are.
    assert paired_p(["a", "b", "c"], ["b", "c", "a"], "it") == 1
    # a->b, a->c, a->d: the counts move by (-3, 1, 1, 1), as far as can be, in 2 of 8 exchanges.
    assert paired_p(["b", "c", "d"], ["a", "a", "a"], "it") == 0.25


def test_a_row_says_what_most_seeds_do_and_how_many_have_learned_the_start() -> None:
    found = table("oooooooooo", "lllllllluo", "yyyyyyynnd")
    none, after = found.to_dict("records")
    assert (none["start"], none["class"], none["n"], none["base"]) == ("none", "oddone", 10, "plain")
    assert math.isnan(none["p"]) and none["differs"] == ""
    assert (after["start"], after["class"], after["n"], after["share"]) == ("hierar-or-linear 4 linear", "left", 8, 0.8)
    assert (after["n_learned"], after["n_not_learned"], after["n_start_diverged"]) == (7, 2, 1)
    assert after["share_learned"] == 1 and (after["n_paired"], after["n_moved"]) == (10, 9)
    # nine seeds leave oddone, eight of them for left: (-9, 8, 1) is the farthest; 2 of 2^9 exchanges are as far.
    assert after["p"] == pytest.approx(2 / 2**9) and after["p_holm"] == after["p"] and after["differs"] == "True"
    assert after["symbols"] == len(LINEAR.joint(TASKS, TASKS[TASK], 4, "fpa")[1])


def test_what_is_not_measured_without_the_start_is_not_tested() -> None:
    found = table("", "lll", starts={"after": {"start": asdict(LINEAR), "base": ""}})
    (after,) = found.to_dict("records")
    assert after["base"] == "" and math.isnan(after["p"]) and after["n_paired"] == 0 and after["differs"] == ""
    assert table("ooo", "lll", starts={}).empty


def test_the_measured_tasks_own_t_is_one_control_in_all_columns() -> None:
    own = Start((Stage(TASK, 4, None, 5),))
    found = table("oo", "ol", starts={"after": {"start": asdict(own), "base": "plain"}})
    assert list(found["start"]) == ["none", "T itself"]


def test_the_uniform_code_is_over_the_joint_vocabulary() -> None:
    task = TASKS["count-or-mem"]
    corpus = Start((Stage("scan-jump", 1, None, 5),))
    _, joint = corpus.joint(TASKS, task, 10, "count")
    own = uniform_bits(task, 10, "count")
    with_it = uniform_bits(task, 10, "count", joint=joint)
    assert with_it > own and with_it == pytest.approx(own / 3 * math.log2(len(joint)))
