"""FPA, code length and their intervals, on numbers worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from indoubt.data.task import Symbols, load_tasks
from indoubt.errors import UserError
from indoubt.measures.classify import predictions
from indoubt.measures.code_length import blocks_table, code_length_table, seed_code_lengths
from indoubt.measures.fpa import fpa_table, seed_classes
from indoubt.measures.intervals import bca, exact, wilson
from tests.shared.made_up import Row, code, decode, follow, score

TASKS = load_tasks()
COUNT = TASKS["count-or-mem"]


@pytest.mark.parametrize(("n", "of", "low"), [(4, 4, 0.51), (20, 20, 0.84), (100, 100, 0.963)])
def test_wilson_intervals_of_all_seeds(n: int, of: int, low: float) -> None:
    interval = wilson(n, of)
    assert interval.low == pytest.approx(low, abs=0.005) and interval.high == pytest.approx(1)


def test_wilson_by_its_formula() -> None:
    z, p, n = 1.959963984540054, 0.3, 10
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    assert (wilson(3, 10).low, wilson(3, 10).high) == pytest.approx((centre - half, centre + half))


def test_no_seeds_no_interval() -> None:
    assert math.isnan(wilson(0, 0).low) and wilson(0, 0).note == "no seeds"


@given(st.integers(0, 60), st.integers(1, 60))
def test_wilson_holds_the_share(n: int, of: int) -> None:
    n = min(n, of)
    assert 0 <= wilson(n, of).low <= n / of + 1e-12 and n / of - 1e-12 <= wilson(n, of).high <= 1


@pytest.mark.parametrize(
    ("values", "note"),
    [
        ([], "no complete seed"),
        ([3.0], "one seed: no interval"),
        ([3.0, 3.0, 3.0], "all 3 seeds equal"),
    ],
)
def test_degenerate_bootstrap_intervals_are_said_in_words(values: list[float], note: str) -> None:
    interval = bca(values, "x")
    assert math.isnan(interval.low) and math.isnan(interval.high) and interval.note == note


def test_the_bootstrap_is_corrected_for_bias_and_skewness() -> None:
    """Of a skewed sample both limits lie higher than those of the percentile bootstrap."""
    values = [float(2**k) for k in range(12)]
    interval = bca(values, "x")
    drawn = np.random.default_rng(1).choice(values, (9999, 12)).mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert interval.low > 1.15 * low and interval.high > 1.1 * high
    reference = stats.bootstrap((values,), np.mean, method="BCa", rng=np.random.default_rng(2)).confidence_interval
    assert (interval.low, interval.high) == (
        pytest.approx(reference.low, rel=0.1),
        pytest.approx(reference.high, rel=0.1),
    )


@pytest.mark.parametrize(("n", "doubtful"), [(9, True), (10, False)])
def test_intervals_of_fewer_than_ten_seeds_say_so(n: int, doubtful: bool) -> None:
    assert ("too narrow" in bca([float(v * v) for v in range(n)], "x").note) == doubtful


@pytest.mark.parametrize(("n", "of", "low", "high"), [(0, 10, 0, 0.3085), (10, 10, 0.6915, 1), (3, 10, 0.0667, 0.6525)])
def test_exact_intervals_of_shares(n: int, of: int, low: float, high: float) -> None:
    interval = exact(n, of)  # as in tables of Clopper and Pearson's
    assert (interval.low, interval.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    tested = stats.binomtest(n, of).proportion_ci(0.95, method="exact")
    assert (interval.low, interval.high) == (pytest.approx(tested.low), pytest.approx(tested.high))
    assert math.isnan(exact(0, 0).low)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.7])
def test_the_exact_interval_holds_a_share_that_seeds_give_in_parts(share: float) -> None:
    """Shares that spread between 0 and 1 as badly as they may, and less so: missed in at most one of twenty."""
    rng = np.random.default_rng(3)
    for spread in (0.05, 0.5, 5.0):
        drawn = rng.beta(share * spread, (1 - share) * spread, (800, 8)).sum(axis=1)
        missed = sum(not (exact(n, 8).low <= share <= exact(n, 8).high) for n in drawn.tolist())
        assert missed / 800 <= 0.06


def test_bootstrap_interval() -> None:
    values = [float(v) for v in range(1, 41)]
    interval = bca(values, "x")
    # the normal interval of the mean, 20.5 +- 1.96 * 11.69 / sqrt(40), is (16.9, 24.1)
    assert interval.low == pytest.approx(16.9, abs=0.4) and interval.high == pytest.approx(24.1, abs=0.4)
    assert interval == bca(values, "x") and interval.note == ""
    assert "too narrow" in bca([1.0, 2.0, 4.0], "x").note


@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=12))
def test_bootstrap_intervals_lie_within_the_values(values: list[float]) -> None:
    interval = bca(values, "x")
    assert math.isnan(interval.low) or min(values) - 1e-6 <= interval.low <= interval.high <= max(values) + 1e-6


def decoded(*labels: str | None) -> list[Row]:
    rows = [decode(seed=s, outputs=follow(COUNT, 10, c) if c else None) for s, c in enumerate(labels, 1)]
    return predictions(COUNT, 10, rows)


def test_fpa_of_ten_seeds() -> None:
    labels = ["count"] * 3 + ["mem"] * 2 + ["other"] + ["unfit"] * 3 + [None]
    table = fpa_table(seed_classes(decoded(*labels)), TASKS).set_index("class")
    assert list(table.index) == ["count", "mem", "total", "other", "unfit", "diverged"]
    assert table.loc["total", "n"] == 0
    table = table.drop("total")
    assert list(table["n"]) == [3, 2, 1, 3, 1] and set(table["n_seeds"]) == {10} and set(table["n_fit"]) == {6}
    assert list(table["fpa"]) == pytest.approx([0.3, 0.2, 0.1, 0.3, 0.1])
    assert list(table["fpa_given_fit"][:3]) == pytest.approx([3 / 6, 2 / 6, 1 / 6])
    assert table["fpa_given_fit"][3:].isna().all()
    assert table.loc["count", "ci_low"] == wilson(3, 10).low
    assert table.loc["count", "given_fit_ci_high"] == wilson(3, 6).high
    assert set(table["n_holdout"]) == {20} and set(table["n_holdout_ambiguous"]) == {0}


@given(st.lists(st.sampled_from(["count", "mem", "other", "unfit", None]), min_size=1, max_size=8))
def test_shares_add_up_to_one(labels: list[str | None]) -> None:
    table = fpa_table(seed_classes(decoded(*labels)), TASKS)
    assert table["fpa"].sum() == pytest.approx(1)
    fitting = table[table["class"].isin(["count", "mem", "other"])]["fpa_given_fit"]
    assert fitting.isna().all() or fitting.sum() == pytest.approx(1)


def test_all_seeds_diverged() -> None:
    table = fpa_table(seed_classes(decoded(None, None)), TASKS).set_index("class")
    assert table.loc["diverged", "fpa"] == 1 and table["fpa_given_fit"].isna().all()


def lengths(rows: list[Row]) -> tuple[object, ...]:
    table = code_length_table(seed_code_lengths(blocks_table(rows), TASKS), TASKS)
    assert len(table) == 1
    return tuple(table.iloc[0][["n_seeds", "n_diverged", "n_incomplete", "bits_mean", "bits_median", "ci_note"]])


def test_code_length_in_bits_and_nats() -> None:
    rows = code(COUNT, 10, "mem", "lstm", 1, 10.0) + code(COUNT, 10, "mem", "lstm", 2, 40.0)
    rows += code(COUNT, 10, "mem", "lstm", 3, 10.0)
    row = code_length_table(seed_code_lengths(blocks_table(rows), TASKS), TASKS).iloc[0]
    assert row["bits_mean"] == pytest.approx(20) and row["bits_median"] == pytest.approx(10)
    assert row["nats_mean"] == pytest.approx(20 * math.log(2))
    assert row["bits_per_example"] == pytest.approx(1) and row["n_examples"] == 20 and row["n_seeds"] == 3


@pytest.mark.parametrize(("n", "far", "bimodal"), [(12, 1e4, "True"), (12, 1.0, "False"), (9, 1e4, "")])
def test_two_groups_of_seeds_are_flagged_from_ten_seeds_on(n: int, far: float, bimodal: str) -> None:
    rows = [score(dataset="mem", seed=s, block=b, nats=(1 + s / 50) * (far if s % 2 else 1))
            for s in range(1, n + 1) for b in range(1, 21)]  # fmt: skip
    table = code_length_table(seed_code_lengths(blocks_table(rows), TASKS), TASKS)
    assert table["n_seeds"].tolist() == [n] and table["bimodal"].tolist() == [bimodal]


def test_one_seed_has_no_interval() -> None:
    assert lengths(code(COUNT, 10, "mem", "lstm", 1, 10.0))[-1] == "one seed: no interval"


def test_equal_seeds_have_no_interval() -> None:
    assert lengths([r for s in (1, 2) for r in code(COUNT, 10, "mem", "lstm", s, 8.0)])[-1] == "all 2 seeds equal"


def test_diverged_and_incomplete_seeds_are_counted_and_take_no_part() -> None:
    rows = [r for s in (1, 2, 3) for r in code(COUNT, 10, "mem", "lstm", s, 8.0)]
    rows[5]["nats"], rows[5]["status"] = None, "diverged"
    rows.pop(25)
    n_seeds, n_diverged, n_incomplete, mean, *_ = lengths(rows)
    assert (n_seeds, n_diverged, n_incomplete) == (1, 1, 1) and mean == pytest.approx(8)


class OfTwentySentFour(type(COUNT)):  # type: ignore[misc]
    """Of the twenty inputs of H four are sent, as of SCAN's large H a sample is."""

    def scored_inputs(self, size: int) -> list[Symbols]:
        return list(self.holdout_inputs(size)[:4])


@pytest.mark.parametrize(("sent", "state"), [(3, "incomplete"), (4, "complete"), (5, "incomplete")])
def test_a_code_is_complete_that_has_all_inputs_that_are_sent(sent: int, state: str) -> None:
    tasks = {COUNT.name: OfTwentySentFour()}
    rows = [score(dataset="mem", block=block, nats=math.log(2)) for block in range(1, sent + 1)]
    lengths = seed_code_lengths(blocks_table(rows), tasks)
    assert lengths["state"].tolist() == [state]
    if state == "complete":
        row = code_length_table(lengths, tasks).iloc[0]
        assert (row["n_examples"], row["bits_per_example"]) == (4, pytest.approx(1))


def test_all_codes_diverged() -> None:
    rows = [score(block=b + 1, nats=None) for b in range(20)]
    n_seeds, n_diverged, _, mean, median, note = lengths(rows)
    assert (n_seeds, n_diverged, note) == (0, 1, "no complete seed") and math.isnan(mean) and math.isnan(median)  # type: ignore[arg-type]


def test_blocks_of_four_examples() -> None:
    task = TASKS["hierar-or-linear"]
    table = blocks_table(code(task, 4, "linear", "cnn", 1, 16.0))
    assert list(table["n_examples"]) == [4, 4, 4, 4] and table["bits"].sum() == pytest.approx(16)
    assert table["bits"][0] == table["nats"][0] / math.log(2)


def test_a_block_scored_twice() -> None:
    assert len(blocks_table([score(), score()])) == 1
    with pytest.raises(UserError, match="block 1 was scored twice"):
        blocks_table([score(), score(nats=2.0)])


def test_a_code_is_complete_once_all_is_scored_that_is_sent_of_a_large_hold_out() -> None:
    """SCAN sends a part of H; a code of all of that part is complete, and of less of it is not."""
    task = TASKS["scan-jump"]
    candidate = next(iter(task.candidates))
    assert 0 < len(task.scored_inputs(1)) < len(task.holdout_inputs(1))
    rows = code(task, 1, candidate, "lstm", 1, 50.0)
    assert seed_code_lengths(blocks_table(rows), TASKS)["state"].tolist() == ["complete"]
    assert lengths(rows)[:4] == (1, 0, 0, pytest.approx(50.0))
    assert seed_code_lengths(blocks_table(rows[:-1]), TASKS)["state"].tolist() == ["incomplete"]
