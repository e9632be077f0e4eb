"""Codes by the first block and by a race, in tables, verdicts and words: bounds are never taken for lengths."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from matplotlib.text import Text

from indoubt.data.codes import race
from indoubt.errors import UserError
from indoubt.figures.draw import DRAWINGS
from indoubt.figures.layout import Grid
from indoubt.figures.style import Palette
from indoubt.measures.classify import predictions
from indoubt.measures.code_length import blocks_table, seed_code_lengths
from indoubt.schema.wording import bits_text
from indoubt.statistics.paired import mcnemar_p
from indoubt.statistics.stopping import shorter
from indoubt.tables.tables import Tables, build_tables, read_table, write_tables
from tests.shared.made_up import code, decode, follow, score
from tests.shared.tasks import released_tasks

TASK = released_tasks()["add-or-mul"]
#: Bits of six blocks of each rule: `mem` is short, `add` and `mul` are long at once.
BITS = {"add": [9.0, 8, 7, 6, 5, 4], "mul": [12.0, 11, 10, 9, 8, 7], "mem": [3.0, 1, 1, 1, 1, 1]}


def rows_of(seed: int, bits: dict[str, list[float]], codes: str, blocks: str = "task") -> list[dict[str, Any]]:
    """The rows that a job of a seed would write."""
    parts = {rule: len(each) for rule, each in bits.items()}
    if codes == "race":
        parts = race(list(bits), 6, lambda rule, part: bits[rule][part]).parts
    if codes == "first":
        parts = dict.fromkeys(bits, 1)
    kind = {"codes": codes, "blocks": blocks}
    return [
        score("add-or-mul", 5, rule, "transformer", seed, k + 1, 1, bits[rule][k] * math.log(2), **kind)
        for rule in bits
        for k in range(parts[rule])
    ]


def tables_of(codes: str, n: int = 12, won_by_add: int = 0, blocks: str = "task", fpa: str = "") -> Tables:
    """Tables of `n` seeds, the first ones won by `add`, all others by `mem`."""
    swapped = {"add": BITS["mem"], "mul": BITS["mul"], "mem": BITS["add"]}
    rows = []
    for seed in range(1, n + 1):
        of_seed = swapped if seed <= won_by_add else BITS
        bits = {rule: [each + seed / 100 for each in of_seed[rule]] for rule in BITS}
        rows += rows_of(seed, bits, codes, blocks)
    decodes = [decode("add-or-mul", 5, "transformer", s, follow(TASK, 5, fpa)) for s in range(1, n + 1)] if fpa else []
    return build_tables(rows, decodes, predictions(TASK, 5, decodes), {TASK.name: TASK})


def row(table: pd.DataFrame, **where: Any) -> Any:
    (found,) = (r for r in table.to_dict("records") if all(r[key] == value for key, value in where.items()))
    return found


def test_of_a_race_the_winner_has_a_length_and_the_others_bounds() -> None:
    tables = tables_of("race")
    states = tables["seed_code_lengths"].groupby("candidate")["state"].unique().map(list).to_dict()
    assert states == {"add": ["at least"], "mul": ["at least"], "mem": ["complete"]}
    add, mem = (row(tables["code_length"], candidate=rule) for rule in ("add", "mem"))
    assert (mem["n_seeds"], mem["n_at_least"], add["n_seeds"], add["n_at_least"]) == (12, 0, 0, 12)
    whole = row(tables_of("full")["code_length"], candidate="mem")
    assert mem["bits_mean"] == whole["bits_mean"] == mem["bits_at_least"] and mem["ci_low"] == whole["ci_low"]
    assert all(math.isnan(add[name]) for name in ("bits_mean", "bits_median", "ci_low", "bits_sd", "surplus_bits"))
    assert add["bits_at_least"] == pytest.approx(9 + 0.065)
    assert bits_text(add) == "≥ 9.06" and bits_text(mem).startswith("8.39 [")
    assert add["at_least_ci_low"] < add["bits_at_least"] < add["at_least_ci_high"]


def test_a_rule_that_won_in_some_seeds_alone_has_no_mean() -> None:
    """Those seeds in which its code is known are those in which it is short."""
    table = tables_of("race", won_by_add=4)["code_length"]
    add = row(table, candidate="add")
    assert (add["n_seeds"], add["n_at_least"]) == (4, 8) and math.isnan(add["bits_mean"])
    whole = row(tables_of("full", won_by_add=4)["code_length"], candidate="add")
    assert add["bits_at_least"] < whole["bits_mean"]


def test_preferences_of_a_race_go_by_exact_signs() -> None:
    pairs = tables_of("race", won_by_add=2)["preferences"]
    pair = row(pairs, a="add", b="mem")
    assert (pair["n_seeds"], pair["n_a_shorter"], pair["n_b_shorter"], pair["n_open"]) == (12, 2, 10, 0)
    assert pair["test"] == "signs" and pair["p_signflip"] == mcnemar_p(2, 10)
    assert all(math.isnan(pair[name]) for name in ("diff_mean", "ci_low", "dz", "p_t", "p_wilcoxon", "diff_at_least"))
    losers = row(pairs, a="add", b="mul")
    assert (losers["n_seeds"], losers["n_a_shorter"], losers["n_open"]) == (2, 2, 10)  # `mem` won in the others


def test_what_a_race_says_of_all_seeds_it_says_of_the_difference() -> None:
    pairs = tables_of("race")["preferences"]
    pair = row(pairs, a="add", b="mem")
    whole = row(tables_of("full")["preferences"], a="add", b="mem")
    assert 0 < pair["diff_at_least"] < whole["diff_mean"] and math.isnan(whole["diff_at_least"])
    assert pair["preferred"] == whole["preferred"] == "mem" and whole["test"] == "sign flips"
    assert "raced" in pair["verdict"] and "raced" not in whole["verdict"]


@pytest.mark.parametrize(
    ("codes", "blocks", "words"),
    [("full", "task", ""), ("race", "task", "raced"), ("first", "task", "by the first block"),
     ("full", "doubling", "in blocks that double"), ("race", "doubling", "raced, in blocks that double")],
)  # fmt: skip
def test_every_verdict_says_how_codes_were_measured(codes: str, blocks: str, words: str) -> None:
    tables = tables_of(codes, blocks=blocks)
    verdict = row(tables["verdicts"], task="add-or-mul")
    assert (verdict["codes"], verdict["blocks"]) == (codes, blocks)
    assert verdict["code_rule"] == verdict["rule"] == "mem" and verdict["code_n"] == 12
    assert verdict["code_verdict"].endswith(f", {words}") if words else verdict["code_verdict"].endswith(")")
    for name in ("blocks", "seed_code_lengths", "code_length", "preferences"):
        assert set(tables[name]["codes"]) == {codes} and set(tables[name]["blocks"]) == {blocks}


def test_with_too_few_seeds_a_race_says_who_is_shortest_in_how_many() -> None:
    verdict = row(tables_of("race", n=3)["verdicts"], task="add-or-mul")
    assert verdict["code_verdict"].startswith("3 of 3 seeds: mem") and verdict["code_lead"] == "mem"
    open_ = row(tables_of("race", n=12, won_by_add=6)["verdicts"], task="add-or-mul")
    assert "no clear preference at n = 12" in open_["code_verdict"] and "add in 6" in open_["code_verdict"]


def test_fpa_that_decides_goes_before_the_first_block() -> None:
    both = row(tables_of("first", fpa="add")["verdicts"], task="add-or-mul")
    assert (both["by"], both["rule"], both["level"]) == ("fpa", "add", "tested")
    assert "by the first block" in both["code_verdict"] and both["agree"] == ""
    neither = row(tables_of("first", fpa="other")["verdicts"], task="add-or-mul")
    assert (neither["by"], neither["rule"]) == ("code", "mem")
    assert row(tables_of("race", fpa="add")["verdicts"], task="add-or-mul")["by"] == "code"


def test_first_blocks_take_no_part_in_what_is_said_of_the_measures() -> None:
    first, full = (tables_of(codes, fpa="add")["agreement"] for codes in ("first", "full"))
    assert row(first, task="all tasks")["n_pairs"] == 0 < row(full, task="all tasks")["n_pairs"]


def test_evidence_in_steps_counts_the_seeds_that_one_of_the_two_won() -> None:
    rows = [r for seed in range(1, 9) for r in rows_of(seed, BITS, "race")]
    counts = shorter(TASK, ["add", "mul", "mem"], rows)
    assert counts == {("add", "mul"): (0, 0), ("add", "mem"): (0, 8), ("mul", "mem"): (0, 8)}


def test_a_tie_is_for_nobody() -> None:
    """A bound that is the winner's length to the bit does not say that the other is longer."""
    rows = rows_of(1, {"add": [1.0, 1, 1, 1, 1, 1], "mul": [6.0, 0, 0, 0, 0, 0]}, "race")
    assert sum(r["dataset"] == "mul" for r in rows) == 1
    assert shorter(TASK, ["add", "mul"], rows) == {("add", "mul"): (0, 0)}


def test_a_rule_that_diverged_in_a_race_is_diverged() -> None:
    lost = {**BITS, "mem": [3.0, math.inf, 1, 1, 1, 1]}
    gone = {"nats": None, "status": "diverged"}
    rows = [each | (gone if math.isinf(each["nats"]) else {}) for each in rows_of(1, lost, "race")]
    lengths = seed_code_lengths(blocks_table(rows), {TASK.name: TASK}).set_index("candidate")["state"].to_dict()
    assert lengths == {"add": "complete", "mul": "at least", "mem": "diverged"}


def test_rows_that_do_not_say_are_the_papers_and_two_kinds_are_refused() -> None:
    rows = code(TASK, 5, "add", "transformer", 1, 30.0)
    assert set(blocks_table(rows)["codes"]) == {"full"} and set(blocks_table(rows)["blocks"]) == {"task"}
    with pytest.raises(UserError, match="two ways in one table: add-or-mul/5/transformer"):
        blocks_table([*rows, *rows_of(2, BITS, "full", "doubling")])


@pytest.mark.parametrize("codes", ["first", "race"])
def test_figures_draw_bounds_and_say_so(codes: str) -> None:
    tables = tables_of(codes, fpa="add")
    palette = Palette(tables["fpa"], tables["code_length"])
    for name in ("code_lengths", "code_curves"):
        (figure,) = DRAWINGS[name]("add-or-mul", tables, palette, Grid).figures
        said = " ".join(text.get_text() for text in figure.findobj(Text)).replace("\n", " ")
        assert {"first": "by the first block", "race": "raced"}[codes] in said


def test_a_table_of_an_earlier_version_is_read(tmp_path: Any) -> None:
    tables = tables_of("full")
    write_tables(tables, tmp_path)
    path = tmp_path / "seed_code_lengths.csv"
    pd.read_csv(path).drop(columns=["codes", "blocks", "bits_at_least"]).to_csv(path, index=False)
    read = read_table(tmp_path, "seed_code_lengths")
    assert set(read["codes"]) == {"full"} and (read["bits_at_least"] == read["bits"]).all()
