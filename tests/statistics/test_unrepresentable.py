"""A rule that a learner cannot represent is not beaten: no verdict, no place in a correction."""

from __future__ import annotations

import pandas as pd
import pytest

from indoubt.data.rules import with_random
from indoubt.data.task import load_tasks
from indoubt.measures.classify import predictions
from indoubt.tables.tables import Tables, build_tables
from tests.shared.made_up import Row, code, decode, follow

TASKS = {name: with_random(task) for name, task in load_tasks().items()}
COUNT, FOUR = TASKS["count-or-mem"], TASKS["first-last-majority-parity"]
BITS = {"first": 90.0, "last": 80.0, "majority": 1.0, "parity": 40.0}


def coded(cannot_tell: dict[str, list[str]], n: int = 6, learner: str = "lstm") -> Tables:
    rows = [row for seed in range(1, n + 1) for rule, bits in BITS.items()
            for row in code(FOUR, 5, rule, learner, seed, bits * (1 + seed / 100))]  # fmt: skip
    return build_tables(rows, [], [], TASKS, cannot_tell=cannot_tell)


def followed(rule: str, cannot_tell: dict[str, list[str]], n: int = 6) -> Tables:
    rows: list[Row] = [decode(seed=seed, outputs=follow(COUNT, 10, rule)) for seed in range(1, n + 1)]
    lines = predictions(COUNT, 10, rows)
    return build_tables([], rows, lines, TASKS, cannot_tell=cannot_tell)


def verdict(tables: Tables) -> pd.Series:
    (row,) = (row for _, row in tables["verdicts"].iterrows())
    return row


def test_pairs_with_it_are_no_comparison_and_count_in_no_correction() -> None:
    """Six pairs ask for nine seeds, the one that is left for six."""
    assert verdict(coded({}))["level"] == "descriptive"
    tables = coded({"lstm": ["order"]})
    pairs = tables["preferences"].set_index(["a", "b"])
    assert (pairs["level"] == "not representable").sum() == 5
    assert pairs.loc[("first", "last"), "verdict"] == "it cannot represent first or last"
    assert pairs.loc[("first", "majority"), "verdict"] == "it cannot represent first"
    assert pairs.loc[("first", "majority"), "diff_mean"] == pytest.approx(89 * 1.035)
    left = pairs.loc[("majority", "parity")]
    assert left["n_family"] == 1 and left["p_signflip_holm"] == pytest.approx(2 / 2**6)
    answer = verdict(tables)
    assert (answer["rule"], answer["level"], answer["cannot_tell"]) == ("majority", "tested", "order")


def test_it_holds_of_the_learner_that_cannot_alone() -> None:
    tables = coded({"other": ["order"]}, n=12)
    assert verdict(tables)["cannot_tell"] == "" and (tables["preferences"]["n_family"] == 6).all()


def test_the_one_rule_that_is_left_is_not_preferred() -> None:
    assert verdict(followed("mem", {}))["rule"] == "mem"
    answer = verdict(followed("mem", {"lstm": ["length"]}))
    assert (answer["rule"], answer["level"]) == ("", "one candidate")
    assert answer["fpa_verdict"] == "6 of 6 seeds: mem"
    bits = [row for seed in range(1, 9) for rule, length in (("count", 40.0 + seed), ("mem", 1.0))
            for row in code(COUNT, 10, rule, "lstm", seed, length)]  # fmt: skip
    answer = verdict(build_tables(bits, [], [], TASKS, cannot_tell={"lstm": ["length"]}))
    assert (answer["rule"], answer["code_level"]) == ("", "one candidate")
    assert answer["code_verdict"] == "of the candidates it can represent mem: no comparison"
