"""Sweeps: known answers from made-up seeds, and a test that finds what matters and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from indoubt.data.task import load_tasks
from indoubt.errors import UserError
from indoubt.figures.draw import draw_figures
from indoubt.learners.sweeps import expand_learners
from indoubt.measures.classify import predictions
from indoubt.measures.fpa import fpa_table, seed_classes
from indoubt.report.page import build_page
from indoubt.statistics.sweeps import in_order, permutation_p, sweep_tests_table, sweeps_table
from indoubt.tables.tables import build_tables, read_table, write_tables
from indoubt.workflow.plan import Plan
from tests.shared.made_up import Row, decode, follow

TASKS = load_tasks()
COUNT = TASKS["count-or-mem"]
SWEEP = {"t": {f"t,dropout={d},layers={n}": {"dropout": d, "layers": n} for d in (0.2, 0.5) for n in (1, 2)}}


def rows_of(sweep: dict[str, Any], n: int = 12) -> list[Row]:
    """With dropout .5 nearly all seeds memorize, with .2 nearly all count; layers matter nothing."""
    found = []
    for learner, values in sweep.items():
        for seed in range(1, n + 1):
            leading = "mem" if values["dropout"] == 0.5 else "count"
            rule = "unfit" if seed == 1 else leading
            found.append(decode(seed=seed, learner=learner, outputs=follow(COUNT, 10, rule)))
    return found


def lines_of(rows: list[Row]) -> list[Row]:
    return [line for learner in dict.fromkeys(r["learner"] for r in rows)
            for line in predictions(COUNT, 10, [r for r in rows if r["learner"] == learner])]  # fmt: skip


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    rows = rows_of(SWEEP["t"])
    return build_tables([], rows, lines_of(rows), TASKS, sweeps=SWEEP)


def test_swept_values_are_columns_beside_the_leading_rules_share(tables: dict[str, pd.DataFrame]) -> None:
    table = tables["sweeps"].set_index("learner")
    row: Any = table.loc["t,dropout=0.5,layers=2"]
    assert (row["dropout"], row["layers"], row["sweep"]) == ("0.5", "2", "t")
    assert set(table["rule"]) == {"count"}  # a tie with mem over the whole sweep: the task's first
    assert (row["n"], row["n_seeds"], row["n_fit"], row["leads_here"]) == (0, 12, 11, "mem")
    other: Any = table.loc["t,dropout=0.2,layers=1"]
    assert (other["n"], other["share"]) == (11, pytest.approx(11 / 12))
    assert (other["ci_low"], other["ci_high"]) == (pytest.approx(0.646, abs=1e-3), pytest.approx(0.985, abs=1e-3))


def test_the_leading_rule_is_a_rule_though_most_seeds_follow_none() -> None:
    labels = ["other"] * 5 + ["unfit"] * 3 + ["mem", "mem", "count"]
    rows = [decode(seed=s, learner=learner, outputs=follow(COUNT, 10, label))
            for learner in SWEEP["t"] for s, label in enumerate(labels, 1)]  # fmt: skip
    table = sweeps_table(fpa_table(seed_classes(lines_of(rows)), TASKS), SWEEP)
    assert set(table["rule"]) == {"mem"} == set(table["leads_here"]) and set(table["n"]) == {2}
    assert set(table["n_fit"]) == {8} and set(table["share"]) == {2 / 11}


def test_what_matters_is_found_and_said_in_words(tables: dict[str, pd.DataFrame]) -> None:
    tests = tables["sweep_tests"].set_index("argument")
    p, holm = float(tests.loc["dropout", "p"]), float(tests.loc["dropout", "p_holm"])
    assert p == pytest.approx(1e-4) and holm == pytest.approx(2 * p)
    assert tests.loc["layers", "p_holm"] == 1.0
    assert tests.loc["dropout", "said"] == "dropout 0.2 → 0.5: count 22 of 24 → 0 of 24"
    assert (tests["n_tests"] == 2).all() and (tests["n_seeds"] == 48).all()


def test_the_permutation_test_keeps_its_level(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeds dealt out at random: p is below .05 in about one deal of twenty."""
    monkeypatch.setattr("indoubt.statistics.sweeps.PERMUTATIONS", 499)
    stream = np.random.default_rng(1)
    values, strata = np.array(["a", "b"] * 10), np.array(["x"] * 20)
    small = sum(permutation_p(values, stream.choice(["m", "n"], 20), strata) < 0.05 for _ in range(40))
    assert small <= 7


def test_an_exact_case_of_the_permutation_test() -> None:
    """All 3 of the one value against none of 3 of the other: 2 of the 20 deals are as far apart."""
    p = permutation_p(np.array(list("aaabbb")), np.array(list("mmmnnn")), np.array(list("xxxxxx")))
    assert p == pytest.approx(0.1, abs=0.01)


def test_seeds_are_permuted_within_the_settings_of_the_other_arguments() -> None:
    """One setting's six seeds could do nothing else: 2 of 20 permutations within the other are as far out.

    Were seeds permuted across the settings, it were 4 of 220.
    """
    values, strata = np.array(list("aaabbb" * 2)), np.array(list("xxxxxxyyyyyy"))
    assert permutation_p(values, np.array(list("mmmmmmmmmnnn")), strata) == pytest.approx(0.1, abs=0.01)


def test_what_differs_between_settings_alone_is_no_effect_of_the_argument() -> None:
    values = np.array(list("aaaaab" + "abbbbb"))
    assert permutation_p(values, np.array(list("mmmmmmnnnnnn")), np.array(list("xxxxxxyyyyyy"))) == 1


def test_values_stand_in_order() -> None:
    assert in_order(["16", "8", "64", "8"]) == ["8", "16", "64"] and in_order(["sgd", "adam"]) == ["sgd", "adam"]


def test_no_sweep_gives_empty_tables() -> None:
    rows = rows_of(SWEEP["t"])
    seeds = seed_classes(lines_of(rows))
    table = sweeps_table(fpa_table(seeds, TASKS), {})
    assert table.empty and sweep_tests_table(seeds, table, {}).empty


@pytest.mark.parametrize("n_arguments", [1, 2, 3])
def test_sweeps_of_one_two_and_three_arguments_are_drawn_and_told(tmp_path: Path, n_arguments: int) -> None:
    names = ("dropout", "layers", "width")[:n_arguments]
    values = {"dropout": (0.2, 0.5), "layers": (1, 2), "width": (8, 16)}
    combinations = [{}]
    for name in names:
        combinations = [{**each, name: value} for each in combinations for value in values[name]]
    sweep = {"t": {",".join(["t", *(f"{k}={v}" for k, v in each.items())]): each for each in combinations}}
    rows = rows_of(sweep["t"])
    write_tables(build_tables([], rows, lines_of(rows), TASKS, sweeps=sweep), tmp_path / "tables")
    assert "0.5" in set(read_table(tmp_path / "tables", "sweeps")["dropout"])
    draw_figures(tmp_path / "tables", tmp_path / "figures")
    panels = json.loads((tmp_path / "figures/count-or-mem/panels/sweeps.json").read_text(encoding="utf-8"))
    assert len(panels["panels"]) == {1: 1, 2: 2, 3: 4}[n_arguments]
    page = build_page(tmp_path / "tables", tmp_path / "figures", TASKS)
    assert "How much hangs on hyperparameters?" in page and "dropout matters (p = " in page


BASE = {"arch": "transformer", "dropout": 0.1, "encoder-layers": 3}


def swept(sweep: Any, **content: Any) -> dict[str, Any]:
    experiment = {"task": "add-or-mul", "sizes": [5], "learners": ["t"], "seeds": 1}
    return {"learners": {"t": {**BASE, "sweep": sweep}}, "experiments": [experiment], **content}


def test_a_sweep_is_its_values_crossed() -> None:
    expanded = expand_learners(swept({"dropout": [0, 0.5], "encoder_layers": [1, 2]}))
    assert list(expanded.content["learners"]) == [
        f"t,dropout={d},encoder_layers={n}" for d in (0, 0.5) for n in (1, 2)
    ]  # fmt: skip
    definition = expanded.content["learners"]["t,dropout=0.5,encoder_layers=2"]
    assert definition == {"arch": "transformer", "dropout": 0.5, "encoder_layers": 2}
    assert expanded.content["experiments"][0]["learners"] == list(expanded.content["learners"])
    assert expanded.sweeps["t"]["t,dropout=0,encoder_layers=1"] == {"dropout": 0, "encoder_layers": 1}


def test_arguments_of_a_group_move_together() -> None:
    groups = [{"encoder_layers": [1, 2], "decoder_layers": [1, 2]}, {"optimizer": ["adam", "sgd"], "lr": [0.001, 0.1]}]
    learners = expand_learners(swept(groups)).content["learners"]
    assert len(learners) == 4
    one = learners["t,encoder_layers=2,optimizer=sgd"]
    assert (one["encoder_layers"], one["decoder_layers"], one["lr"]) == (2, 2, 0.1)


@pytest.mark.parametrize(
    ("sweep", "complaint"),
    [
        ({"dropout": [0.5]}, r"sweep: dropout has one value, 0\.5; .* write dropout: 0\.5 beside"),
        ({"dropout": 0.5}, "sweep: dropout has one value"),
        ([{"a": [1, 2], "b": [1, 2, 3]}], r"as many values each \(a has 2, b has 3\)"),
        ([{"a": [1, 2]}, {"a": [3, 4]}], "names a twice"),
        ("dropout", "sweep must be a mapping"),
        ([], "sweep must be a mapping"),
        ({"a": list(range(15)), "b": list(range(15))}, "stands for 225 learners, .* write learners_at_most: 225"),
    ],
)
def test_sweeps_that_are_none_are_refused(sweep: Any, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        expand_learners(swept(sweep))


def test_large_sweeps_can_be_allowed() -> None:
    content = swept({"a": list(range(15)), "b": list(range(15))}, learners_at_most=225)
    assert len(expand_learners(content).content["learners"]) == 225


def test_a_sweep_over_what_the_architecture_lacks_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match="unknown argument 'dropuot' of architecture 'transformer'; did you mean 'dropout'"
    ):
        Plan(swept({"dropuot": [0.1, 0.5]}), tmp_path)
