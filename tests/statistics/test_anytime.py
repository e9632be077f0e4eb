"""Decisions that one may look at as often as one likes: known values, and the promise kept on simulated seeds."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from fractions import Fraction
from functools import cache
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar

from indoubt.data.task import load_tasks
from indoubt.errors import UserError
from indoubt.measures.classify import predictions
from indoubt.report.answer import Answers
from indoubt.schema import columns_of
from indoubt.statistics.stopping import adjusted, decide, e_value, followers, shorter, stops_table
from indoubt.tables.paper_table import significance_marks
from indoubt.tables.tables import build_tables, write_tables
from indoubt.workflow.cells import Look, Until, looks_in, looks_text, reached, read_look
from tests.shared.made_up import code, decode, follow
from tests.shared.workspace import ROOT

TASKS = load_tasks()
COUNT = TASKS["count-or-mem"]
ALPHA = 0.05


@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (3, 3), (12, 0), (0, 12), (20, 4)])
def test_e_values_are_those_of_the_formula(a: int, b: int) -> None:
    exact = Fraction(2 ** (a + b) * factorial(a) * factorial(b), factorial(a + b + 1))
    assert e_value(a, b) == pytest.approx(float(exact)) == e_value(b, a)


def test_an_e_value_is_a_martingale_under_a_fair_coin() -> None:
    """Its expectation after the next toss is what it is now, whatever came before: what Ville's inequality asks for."""
    for a, b in ((0, 0), (5, 0), (3, 9)):
        assert (e_value(a + 1, b) + e_value(a, b + 1)) / 2 == pytest.approx(e_value(a, b))


def test_large_counts_do_not_overflow() -> None:
    assert 1e300 < e_value(100_000, 0) < float("inf") and e_value(50_000, 50_000) < 1


def test_adjusted_values_are_least_means_over_all_sets_that_hold_them() -> None:
    values = [40.0, 0.1, 7.0, 300.0, 1.0]

    def brute(place: int) -> float:
        others = [p for p in range(len(values)) if p != place]
        sets = (set_ for size in range(len(values)) for set_ in combinations(others, size))
        return min((values[place] + sum(values[p] for p in set_)) / (1 + len(set_)) for set_ in sets)

    assert adjusted(values) == pytest.approx([brute(place) for place in range(len(values))])
    assert adjusted([25.0]) == [25.0] and adjusted([]) == []


@cache
def fixed_n_p(a: int, b: int) -> float:
    return float(mcnemar([[0, a], [b, 0]], exact=True).pvalue)


@cache
def evidence(a: int, b: int) -> float:
    return e_value(a, b)


def ever_sure(stream: random.Random, n: int, pairs: int) -> tuple[bool, bool]:
    """Whether, looking after every seed, the e-values (and the fixed-n test, exact McNemar by Holm) ever decide."""
    counts = [[0, 0] for _ in range(pairs)]
    by_e = by_p = False
    for seed in range(n):
        for pair in counts:
            pair[stream.random() < 0.5] += 1
        by_e |= any(value >= 1 / ALPHA for value in adjusted([evidence(a, b) for a, b in counts]))
        if not by_p and seed >= 5:
            p = min(fixed_n_p(a, b) for a, b in counts)
            by_p = pairs * p < ALPHA
    return by_e, by_p


@pytest.mark.parametrize("pairs", [1, 3])
def test_without_a_preference_few_runs_ever_say_sure_though_one_looks_after_every_seed(pairs: int) -> None:
    stream = random.Random(pairs)
    runs = [ever_sure(stream, 100, pairs) for _ in range(2000)]
    by_e, by_p = (sum(run[which] for run in runs) / len(runs) for which in (0, 1))
    assert by_e <= ALPHA  # the promise
    assert by_p > 2 * ALPHA  # what a fixed-n test does that is looked at as often


def test_a_preference_is_found() -> None:
    """Seeds that follow one rule in 19 of 20: sure within 24 of them in nearly all runs."""
    stream = random.Random(1)
    found = 0
    for _ in range(200):
        a = sum(stream.random() < 0.95 for _ in range(24))
        found += decide({"5/x": {("m", "n"): (a, 24 - a)}}, {"5/x": (24, 100, "fpa")})["5/x"].decided
    assert found > 190


def test_seeds_are_counted_for_the_rule_that_they_follow() -> None:
    said = ["mem"] * 5 + ["count"] * 2 + ["unfit", "other"]
    rows = [decode(seed=s, outputs=follow(COUNT, 10, rule)) for s, rule in enumerate(said)] + [decode(seed=99)]
    assert followers(COUNT, 10, ["count", "mem"], rows) == {("count", "mem"): (2, 5)}


def test_seeds_are_counted_for_the_rule_of_the_shorter_code() -> None:
    bits = {1: (5.0, 2.0), 2: (5.0, 9.0), 3: (1.0, 1.0)}
    rows = [r for s, pair in bits.items() for c, b in zip(("count", "mem"), pair, strict=True)
            for r in code(COUNT, 10, c, "lstm", s, b)]  # fmt: skip
    rows += code(COUNT, 10, "count", "lstm", 4, 1.0)[:3]  # not complete: it tells nothing
    assert shorter(COUNT, ["count", "mem"], rows) == {("count", "mem"): (1, 1)}


def test_a_cell_is_decided_when_one_rule_beats_every_other() -> None:
    pairs = {("a", "b"): (12, 0), ("a", "c"): (12, 0), ("b", "c"): (0, 0)}
    look = decide({"5/x": pairs}, {"5/x": (12, 100, "fpa")})["5/x"]
    assert look.decided and look.rule == "a" and look.n_pairs == 3 and not look.open
    assert look.e_value == pytest.approx((e_value(12, 0) + e_value(0, 0)) / 2)
    last = decide({"5/x": {("a", "b"): (0, 12), ("a", "c"): (0, 12), ("b", "c"): (0, 12)}}, {"5/x": (12, 100, "fpa")})
    assert last["5/x"].decided and last["5/x"].rule == "c"  # and not the rule that surely is not
    half = decide({"5/x": pairs | {("a", "c"): (6, 6)}}, {"5/x": (12, 100, "fpa")})["5/x"]
    assert not half.decided and half.open


def test_other_cells_of_the_task_make_it_harder_to_be_sure() -> None:
    lone = decide({"5/x": {("a", "b"): (9, 0)}}, {"5/x": (9, 9, "fpa")})["5/x"]
    cells = {f"5/{n}": {("a", "b"): (9 if n == 0 else 4, 0 if n == 0 else 4)} for n in range(5)}
    among = decide(cells, dict.fromkeys(cells, (9, 9, "fpa")))["5/0"]
    assert lone.decided and not among.decided and among.e_value < lone.e_value


def test_steps_double_up_to_the_most() -> None:
    assert Until(12, 100).ends == (12, 24, 36, 48, 60, 72, 84, 96, 100)
    assert Until(5, 5).ends == (5,) and Until(1, 3).ends == (1, 2, 3)


def look(seeds: int, decided: bool, most: int = 100) -> Look:
    return Look(seeds, most, decided, "a", "fpa", 25.0 if decided else 2.0, 20.0, 1)


def test_what_is_reached_after_some_looks() -> None:
    until = Until(12, 100)
    assert reached(until, "5/x", []) == 12
    assert reached(until, "5/x", [{"5/x": look(12, False)}]) == 24
    assert reached(until, "5/x", [{"5/x": look(12, False)}, {"5/x": look(24, True)}]) == 24
    assert reached(until, "5/x", [{"5/x": look(100, False)}]) == 100


def test_looks_are_read_as_they_were_written_and_told_in_a_table(tmp_path: Path) -> None:
    folder = tmp_path / "looks/add-or-mul"
    folder.mkdir(parents=True)
    first = {"5/x": look(12, True), "5/y,a=b": look(12, False, 24)}
    second = {"5/x": look(12, True), "5/y,a=b": look(24, False, 24)}
    for number, cells in enumerate((first, second), start=1):
        (folder / f"{number}.json").write_text(looks_text(cells))
    assert looks_in(tmp_path / "looks", "add-or-mul") == [first, second]
    table = stops_table(sorted(folder.glob("*.json"))).set_index("learner")
    assert list(table["n_seeds"]) == [12, 24] and list(table["n_looks"]) == [1, 2]
    assert table.loc["x", "why"] == (
        "12 seeds: sure that a is preferred (e-value 25 against 20, by FPA, adjusted over 1 pairs)"
    )
    assert str(table.loc["y,a=b", "why"]).startswith("24 seeds, the most there may be: not sure; a leads")
    (folder / "3.json").write_text("{")
    with pytest.raises(UserError, match=r"3\.json is damaged; delete it and run again"):
        read_look(folder / "3.json")


def in_steps(folder: Path, seeds: int, measure: str = "fpa", learners: tuple[str, ...] = ("lstm",)) -> list[Path]:
    """A look at count-or-mem that leaves cells at so many seeds; the tables ask it only which cells came in steps."""
    path = folder / "looks/count-or-mem/1.json"
    path.parent.mkdir(parents=True)
    looks = {f"10/{learner}": Look(seeds, seeds, False, "mem", measure, 2.0, 20.0, 1) for learner in learners}
    path.write_text(looks_text(looks))
    return [path]


def split(mem: int, count: int, learner: str = "lstm") -> list[dict[str, Any]]:
    labels = ["mem"] * mem + ["count"] * count
    return [decode(seed=s, learner=learner, outputs=follow(COUNT, 10, label)) for s, label in enumerate(labels, 1)]


def tables_of(rows: list[dict[str, Any]], looks_at: list[Path]) -> dict[str, pd.DataFrame]:
    scores, decodes = ([r for r in rows if r["kind"] == kind] for kind in ("score", "decode"))
    lines = [line for learner in dict.fromkeys(r["learner"] for r in decodes)
             for line in predictions(COUNT, 10, [r for r in decodes if r["learner"] == learner])]  # fmt: skip
    return build_tables(scores, decodes, lines, TASKS, looks_at=looks_at)


def test_cells_of_seeds_in_steps_are_sure_by_their_e_value_and_not_by_the_fixed_n_test(tmp_path: Path) -> None:
    """18 of 24 seeds: exact McNemar has p = .023, the e-value is 5."""
    rows = split(18, 6)
    (fixed,) = tables_of(rows, [])["verdicts"].to_dict("records")
    assert (fixed["level"], fixed["rule"]) == ("tested", "mem")
    tables = tables_of(rows, in_steps(tmp_path, 24))
    (verdict,), (pair,) = (tables[name].to_dict("records") for name in ("verdicts", "preferences"))
    assert (verdict["level"], verdict["rule"], pair["fpa_level"], pair["fpa_preferred"]) == ("open", "", "open", "")
    assert pair["fpa_e_value"] == pytest.approx(e_value(18, 6)) and pair["p_mcnemar_holm"] < 0.05
    assert verdict["verdict"] == "18 of 24 seeds: mem (not sure: e-values below 20)"
    nothing = {"found_rules": pd.DataFrame(columns=columns_of("found_rules"))}
    (finding,) = Answers(tables | nothing).findings(verdict["task"], verdict["learner"])
    assert finding.state == "open"
    assert significance_marks(tables["preferences"]).empty


@pytest.mark.parametrize(("mem", "rule"), [(1, "count"), (11, "mem")])
def test_an_e_value_that_is_large_enough_makes_sure_and_is_said(tmp_path: Path, mem: int, rule: str) -> None:
    tables = tables_of(split(mem, 12 - mem), in_steps(tmp_path, 12))
    (verdict,) = tables["verdicts"].to_dict("records")
    assert (verdict["level"], verdict["rule"]) == ("tested", rule)
    assert verdict["verdict"] == f"11 of 12 seeds: {rule} (e-value {e_value(11, 1):.3g})"


def test_e_values_are_adjusted_over_the_tasks_cells_in_steps_and_no_others(tmp_path: Path) -> None:
    rows = split(11, 1) + split(6, 6, "cnn") + split(6, 6, "transformer")
    looks_at = in_steps(tmp_path, 12, learners=("lstm", "cnn"))
    pairs = tables_of(rows, looks_at)["preferences"].set_index("learner")
    assert pairs.loc["lstm", "fpa_e_value"] == pytest.approx((e_value(11, 1) + e_value(6, 6)) / 2)
    assert pairs.loc["lstm", "fpa_level"] == "open" and math.isnan(pairs.loc["transformer", "fpa_e_value"])


@pytest.mark.parametrize("mirrored", [False, True])
def test_code_lengths_of_seeds_in_steps_go_by_e_values_too(tmp_path: Path, mirrored: bool) -> None:
    """In 12 of 16 seeds one code is much shorter, in four a little longer: sign flips are sure, the e-value is not."""

    def codes(shorter: int) -> list[dict[str, Any]]:
        names = ("count", "mem") if mirrored else ("mem", "count")
        return [r for s in range(1, 17) for c, b in zip(names, (20.0, 90.0 + s if s <= shorter else 19.0), strict=True)
                for r in code(COUNT, 10, c, "lstm", s, b)]  # fmt: skip

    first = "count" if mirrored else "mem"
    fixed = tables_of(codes(12), [])["verdicts"].iloc[0]
    assert (fixed["level"], fixed["rule"]) == ("tested", first)
    looks_at = in_steps(tmp_path, 16, "code_length")
    tables = tables_of(codes(12), looks_at)
    verdict = tables["verdicts"].iloc[0]
    assert (verdict["level"], verdict["rule"]) == ("open", "")
    assert verdict["verdict"] == "not sure at n = 16 (e-values below 20)"
    sure = tables_of(codes(15), looks_at)
    verdict = sure["verdicts"].iloc[0]
    assert (verdict["level"], verdict["rule"]) == ("tested", first)
    assert verdict["verdict"] == f"{first} preferred (n = 16, e-value {e_value(15, 1):.3g})"
    assert sure["preferences"]["verdict"].iloc[0].startswith(f"{first} preferred to ")
    assert significance_marks(sure["preferences"])["mark"].tolist() == ["**"]  # 1 / 241


def test_codes_that_differ_by_rounding_are_a_tie() -> None:
    rows = [r for s in range(1, 7) for c, b in (("count", 10.0), ("mem", 10.0 * (1 + 1e-14)))
            for r in code(COUNT, 10, c, "lstm", s, b)]  # fmt: skip
    assert shorter(COUNT, ["count", "mem"], rows) == {("count", "mem"): (0, 0)}


def test_what_steps_save_is_simulated_from_measured_shares(tmp_path: Path) -> None:
    """A cell where all seeds agree stops at 12, one of two rules alike goes on to 100 in nearly all runs."""
    rows = [decode(seed=s, outputs=follow(COUNT, 10, "mem")) for s in range(1, 13)]
    rows += [decode(seed=s, learner="cnn", outputs=follow(COUNT, 10, ("mem", "count")[s % 2])) for s in range(1, 13)]
    cells = [[row for row in rows if row["learner"] == name] for name in ("lstm", "cnn")]
    lines = [line for cell in cells for line in predictions(COUNT, 10, cell)]
    write_tables(build_tables([], rows, lines, TASKS), tmp_path)
    command = [sys.executable, str(ROOT / "benchmarks/stopping.py"), "--tables", str(tmp_path), "--runs", "100"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    lstm, cnn = (next(each.split() for each in said if f"/{name} " in each) for name in ("lstm", "cnn"))
    assert lstm[1:] == ["100%", *["0%"] * 8, "100%", "12.0"]
    assert float(cnn[-1]) > 90 and int(cnn[9].rstrip("%")) > 90
    assert "with 100 seeds everywhere 200" in said[-1]
