"""Statistics with known answers: tests, corrections, verdicts, agreement."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indoubt.data.rules import with_random
from indoubt.data.task import Symbols, Task, load_tasks
from indoubt.measures.classify import predictions
from indoubt.measures.code_length import dip_p, uniform_bits
from indoubt.schema.wording import p_in_words
from indoubt.statistics.agreement import agreement_table
from indoubt.statistics.paired import (
    MANY,
    compare,
    corrected,
    mcnemar_p,
    needed_to_settle,
    needed_to_test,
    sign_flip,
)
from indoubt.tables.paper_table import markdown, paper_tables, significance_marks
from indoubt.tables.tables import build_tables
from tests.shared.made_up import Row, code, decode, follow

TASKS = {name: with_random(task) for name, task in load_tasks().items()}
COUNT, SUMS = TASKS["count-or-mem"], TASKS["add-or-mul"]


@pytest.mark.parametrize(("n", "p"), [(4, 0.125), (5, 0.0625), (6, 0.03125), (8, 0.0078125), (10, 0.001953125)])
def test_the_smallest_p_of_few_seeds(n: int, p: float) -> None:
    d = np.arange(1.0, n + 1)
    paired = compare(np.zeros(n), d, "x")
    assert paired.p_signflip == pytest.approx(p) and paired.p_wilcoxon == pytest.approx(p)
    assert mcnemar_p(n, 0) == pytest.approx(p)


def test_sign_flips_by_hand() -> None:
    # of the 8 sign patterns of 1, 2, 3 the sums of two, +6 and -6, and of two more, +4 and -4, are as far out as +4
    assert sign_flip(np.array([-1.0, 2.0, 3.0]), "x") == pytest.approx(4 / 8)
    assert sign_flip(np.zeros(5), "x") == 1.0
    assert math.isnan(sign_flip(np.array([2.0]), "x"))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=2, max_size=9))
def test_who_is_a_and_who_is_b_changes_the_sign_only(values: list[float]) -> None:
    a, b = np.array(values), np.zeros(len(values))
    one, other = compare(a, b, "x"), compare(b, a, "x")
    assert one.p_signflip == pytest.approx(other.p_signflip) and one.mean == pytest.approx(-other.mean)
    assert (one.n_a_shorter, one.n_b_shorter) == (other.n_b_shorter, other.n_a_shorter)
    assert math.isnan(one.rank_biserial) or one.rank_biserial == pytest.approx(-other.rank_biserial)


def test_effects_and_paired_t_by_hand() -> None:
    paired = compare(np.array([1.0, 2.0, 6.0]), np.array([2.0, 4.0, 3.0]), "x")  # differences -1, -2, 3
    assert (paired.n, paired.mean, paired.median) == (3, 0.0, -1.0)
    assert paired.rank_biserial == pytest.approx((3 - 1 - 2) / 6) and paired.p_t == pytest.approx(1)
    assert (paired.n_a_shorter, paired.n_b_shorter) == (2, 1)
    known = compare(np.array([3.0, 5.0]), np.zeros(2), "x")  # t = 4 / (sqrt(2) / sqrt(2)) = 4, one degree of freedom
    assert known.p_t == pytest.approx(1 - 2 * math.atan(4) / math.pi) and known.dz == pytest.approx(4 / math.sqrt(2))


def test_codes_that_differ_by_rounding_alone_are_equal() -> None:
    a = np.array([3.0, 20.0, 7.0, 8.0])
    rounded = compare(a, a * (1 + np.array([0.0, 1e-14, -1e-14, 1e-14])), "x")
    assert (rounded.n_a_shorter, rounded.n_b_shorter, rounded.mean, rounded.p_signflip) == (0, 0, 0.0, 1.0)


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_seeds_for_a_test(n: int) -> None:
    paired = compare(np.ones(n), np.zeros(n), "x")
    assert paired.n == n and math.isnan(paired.p_signflip) and math.isnan(paired.interval.low)


def test_corrections_by_hand() -> None:
    assert corrected([0.01, 0.04, 0.03], "holm") == pytest.approx([0.03, 0.06, 0.06])
    assert corrected([0.01, 0.04, 0.03], "fdr_bh") == pytest.approx([0.03, 0.04, 0.04])
    undefined = corrected([0.01, math.nan], "holm")  # counts in the family
    assert undefined[0] == pytest.approx(0.02) and math.isnan(undefined[1])
    assert corrected([], "holm") == []


@pytest.mark.parametrize(("family", "seeds"), [(1, 6), (4, 8), (16, 10), (48, 11)])
def test_seeds_that_the_corrected_test_needs(family: int, seeds: int) -> None:
    assert needed_to_test(family) == seeds
    assert family * 2.0 ** (1 - seeds) < 0.05 <= family * 2.0 ** (2 - seeds)


def test_seeds_that_would_settle() -> None:
    assert needed_to_settle(0.5, 1) == 34  # Cohen (1988), paired t, two-sided .05, power .8
    assert needed_to_settle(-0.5, 1) == 34 and needed_to_settle(0.5, 48) > 34
    assert needed_to_settle(0.001, 1) == MANY + 1 and needed_to_settle(math.nan, 1) == 0


def test_uniform_code_by_hand() -> None:
    # eight symbols in the dictionary: 3 bits each; sizes 7..13 without 10, outputs of 20 symbols and </s>
    assert uniform_bits(SUMS, 10, "mem") == pytest.approx(6 * 21 * 3)
    assert uniform_bits(COUNT, 10, "count") == pytest.approx(3 * (sum(range(21)) - 10 + 20))
    # 20 primitives and four special symbols: 24, already a multiple of eight
    assert uniform_bits(TASKS["comp-or-mem"], 20, "mem_prim") == pytest.approx(19 * 2 * math.log2(24))


class NewWords(Task):
    """Of the symbols that T lacks two are in some outputs, and two stand in the vocabulary alone."""

    name = "new-words"
    sizes = (1,)
    candidates = {"same": lambda source, size: source, "x": lambda source, size: ("x",) * len(source)}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [("x",)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("y",), ("z", "z")]

    def unseen_symbols(self, size: int) -> tuple[Symbols, Symbols]:
        return ("y", "z", "v", "w"), ("y", "z", "v", "w")


def test_symbols_that_no_output_holds_fill_the_dictionary_of_the_uniform_code() -> None:
    """Four special symbols and x, y, z, v, w are nine: sixteen, whatever outputs hold; without v and w eight."""
    assert uniform_bits(NewWords(), 1, "same") == pytest.approx((2 + 3) * 4)
    assert uniform_bits(NewWords(), 1, "x") == pytest.approx((2 + 3) * 4)


def test_two_groups_of_seeds_are_seen() -> None:
    rng = np.random.default_rng(0)
    spread = 10 ** rng.normal(0, 0.3, 40)
    assert dip_p(spread.tolist()) > 0.05
    assert dip_p(np.concatenate([spread[:20], spread[20:] * 1e4]).tolist()) < 0.05
    assert math.isnan(dip_p([1.0] * 9)) and not math.isnan(dip_p([1.0] * 10)) and dip_p([0.0] * 12) == 1.0


def test_groups_far_below_a_bit_are_groups_and_below_the_floor_none() -> None:
    """CNNs send what they memorize for 1e-5 bits: a group beside seeds of 1e-2. Below 1e-7 lengths are rounding."""
    rng = np.random.default_rng(0)
    spread = 10 ** rng.normal(0, 0.2, 40)
    two = np.concatenate([spread[:20] * 1e-5, spread[20:] * 1e-2])
    assert dip_p(two.tolist()) < 0.05
    assert dip_p((two * 1e-7).tolist()) == 1.0


def tables(rows: list[Row], task: Any = COUNT, size: int = 10) -> dict[str, pd.DataFrame]:
    scores, decodes = ([r for r in rows if r["kind"] == k] for k in ("score", "decode"))
    learners = dict.fromkeys(row["learner"] for row in decodes)
    lines = [
        line
        for learner in learners
        for line in predictions(task, size, [r for r in decodes if r["learner"] == learner])
    ]
    return build_tables(scores, decodes, lines, TASKS)


def codes(n: int, task: Any = COUNT, learner: str = "lstm", **bits: float) -> list[Row]:
    """n seeds whose code of each candidate has so many bits, a little different from seed to seed."""
    return [r for s in range(1, n + 1) for c, b in bits.items() for r in code(task, 10, c, learner, s, b + s / 100 * b)]


def verdict(rows: list[Row], task: Any = COUNT) -> dict[str, Any]:
    found = tables(rows, task)["verdicts"]
    assert len(found) == 1
    return {str(k): v for k, v in found.iloc[0].to_dict().items()}


def test_a_clear_preference() -> None:
    answer = verdict(codes(8, count=2.0, mem=30.0))
    assert (answer["rule"], answer["level"]) == ("count", "tested")
    assert answer["verdict"] == "count preferred (n = 8, p = .008)"


def test_four_seeds_are_described_not_tested() -> None:
    rows = codes(3, count=2.0, mem=30.0) + [
        r for c, b in (("count", 9.0), ("mem", 1.0)) for r in code(COUNT, 10, c, "lstm", 4, b)
    ]
    answer = verdict(rows)
    assert (answer["rule"], answer["level"]) == ("", "descriptive")
    assert answer["verdict"] == "3 of 4 seeds: count; 6 needed to test"


def test_one_seed_is_described() -> None:
    assert verdict(codes(1, count=2.0, mem=30.0))["verdict"] == "1 of 1 seeds: count; 6 needed to test"


def test_no_clear_preference_says_what_would_settle_it() -> None:
    rows = [r for s in range(1, 13) for c in ("count", "mem")
            for r in code(COUNT, 10, c, "lstm", s, 10.0 + (s % 3 if c == "mem" else 1.5 * (s % 2)))]  # fmt: skip
    answer = verdict(rows)
    assert answer["level"] == "open" and answer["verdict"].startswith("no clear preference at n = 12; about ")


def test_equal_codes_are_no_preference() -> None:
    answer = verdict([r for s in range(1, 9) for c in ("count", "mem") for r in code(COUNT, 10, c, "lstm", s, 10.0)])
    assert answer["verdict"] == "no clear preference at n = 8; no difference seen"


def test_two_of_three_rules_are_left() -> None:
    rows = [r for s in range(1, 13) for c, b in (("add", 5.0), ("mul", 5.0 + (-1) ** s), ("mem", 50.0 + s))
            for r in code(SUMS, 10, c, "lstm", s, b)]  # fmt: skip
    answer = verdict(rows, SUMS)
    assert answer["rule"] == "" and "(add or mul over mem)" in answer["verdict"]


def test_one_candidate_and_random_are_no_comparison() -> None:
    answer = verdict(codes(8, mem=3.0, random=90.0))
    assert answer["level"] == "one candidate" and answer["verdict"] == "one candidate (mem), no comparison"


def test_all_codes_diverged() -> None:
    rows = [{**r, "nats": None, "status": "diverged"} for r in codes(3, count=1.0, mem=2.0)]
    answer = verdict(rows)
    assert answer["level"] == "not measured" and answer["verdict"] == "no complete code (6 diverged or incomplete)"


def test_fpa_alone_gives_the_answer() -> None:
    rows = [decode(seed=s, outputs=follow(COUNT, 10, "mem")) for s in range(1, 9)]
    answer = verdict(rows)
    assert (answer["rule"], answer["level"], answer["verdict"]) == ("mem", "tested", "8 of 8 seeds: mem")
    few = verdict(rows[:4])
    assert (few["rule"], few["level"], few["agree"]) == ("", "descriptive", "")


def test_most_seeds_follow_no_rule() -> None:
    rows = [decode(seed=s, outputs=follow(COUNT, 10, "other")) for s in range(1, 9)]
    answer = verdict(rows)
    assert answer["rule"] == "" and answer["fpa_verdict"] == "8 of 8 seeds: other"


def test_holm_counts_all_pairs_of_the_task_that_were_run() -> None:
    rows = codes(8, SUMS, add=1.0, mul=20.0, mem=30.0) + codes(8, SUMS, "cnn", add=20.0, mem=1.0)
    found = tables(rows, SUMS)
    assert found["verdicts"]["verdict"].tolist() == [f"{rule} preferred (n = 8, p = .031)" for rule in ("mem", "add")]
    pairs = found["preferences"]
    assert len(pairs) == 4 and set(pairs["n_family"]) == {4} and set(pairs["seeds_to_test"]) == {8}
    assert pairs["p_signflip"].tolist() == pytest.approx([2 / 256] * 4)
    assert pairs["p_signflip_holm"].tolist() == pytest.approx([8 / 256] * 4)
    assert pairs["p_signflip_bh"].tolist() == pytest.approx([2 / 256] * 4)


def test_seeds_are_paired() -> None:
    rows = codes(6, count=2.0, mem=30.0)
    rows = [r for r in rows if not (r["seed"] == 6 and r["dataset"] == "mem" and r["block"] == 20)]
    pair = tables(rows)["preferences"].iloc[0]
    assert pair["n_seeds"] == 5 and pair["diff_mean"] == pytest.approx(-28 * 1.03)


def test_shares_are_compared_by_mcnemar() -> None:
    labels = ["count"] * 9 + ["mem"] + ["other"] * 2
    pair = tables([decode(seed=s, outputs=follow(COUNT, 10, c)) for s, c in enumerate(labels, 1)])["preferences"].iloc[
        0
    ]
    assert (pair["fpa_n_a"], pair["fpa_n_b"], pair["fpa_n_seeds"]) == (9, 1, 12)
    assert pair["p_mcnemar"] == pytest.approx(2 * (1 + 10) / 1024) and pair["fpa_diff"] == pytest.approx(8 / 12)
    assert pair["fpa_preferred"] == "count" and pair["level"] == "not measured"


def wavering() -> list[Row]:
    """Twelve seeds: add is shorter than mul in all of ten, than mem in all but three: no two pairs are alike."""
    bits = {s: {"add": 10.0 + s, "mul": 60.0 + s, "mem": 25.0 + s * s / 9} for s in range(1, 13)}
    bits[2]["mem"], bits[3]["mem"], bits[4]["mem"] = 8.0, 6.0, 5.0
    rows = [r for s, of in bits.items() for c, b in of.items() for r in code(SUMS, 10, c, "lstm", s, b)]
    return [row for row in rows if row["seed"] < 11 or row["dataset"] != "mul"]


def test_stars_and_verdict_are_those_of_the_least_sure_pair() -> None:
    found = tables(wavering(), SUMS)
    won = found["preferences"].query("preferred == 'add'").set_index("b")
    assert won.loc["mul", "p_signflip_holm"] < 0.01  # two stars, were it alone
    assert 0.01 < won.loc["mem", "p_signflip_holm"] < 0.05
    assert significance_marks(found["preferences"])["mark"].tolist() == ["*"]
    (row,) = found["verdicts"].to_dict("records")
    assert row["verdict"] == f"add preferred (n = 10, {p_in_words(won.loc['mem', 'p_signflip_holm'])})"
    assert row["code_n"] == 10  # the seeds of the pair that has the fewest
    assert paper_tables(found["fpa"], found["code_length"])[0].lines[0].n_code == "10–12"


def test_a_rule_that_is_preferred_to_some_others_only_has_no_stars() -> None:
    rows = [r for s in range(1, 13) for c, b in (("add", 9.0 + (-1) ** s), ("mul", 9.0), ("mem", 80.0 + s))
            for r in code(SUMS, 10, c, "lstm", s, b)]  # fmt: skip
    found = tables(rows, SUMS)
    assert (found["preferences"]["preferred"] != "").sum() == 2
    assert significance_marks(found["preferences"]).empty


TOTAL = [" ".join("b" * (20 - len(source))) for source in COUNT.test_inputs(10)]


@pytest.mark.parametrize(("n", "yet"), [(6, ""), (7, ", yet 7 of 12 seeds: total")])
def test_more_than_half_of_the_seeds_follow_a_rule_without_a_code(n: int, yet: str) -> None:
    labels = ["total"] * n + ["count"] * 2 + ["other"] * (10 - n)
    outputs = {"count": follow(COUNT, 10, "count"), "other": follow(COUNT, 10, "other"), "total": TOTAL}
    rows = [decode(seed=s, outputs=outputs[label]) for s, label in enumerate(labels, 1)]
    answer = verdict(rows + codes(8, count=2.0, mem=30.0))
    assert answer["verdict"] == f"count preferred (n = 8, p = .008){yet}"
    assert answer["fpa_class"] == "total" and answer["agree"] == ""  # it is no candidate: there is nothing to compare


@pytest.mark.parametrize(("label", "agree"), [("count", "True"), ("mem", "False"), ("other", ""), ("unfit", "")])
def test_whether_both_measures_put_the_same_candidate_first(label: str, agree: str) -> None:
    rows = [decode(seed=s, outputs=follow(COUNT, 10, label)) for s in range(1, 4)]
    assert verdict(rows + codes(3, count=2.0, mem=30.0))["agree"] == agree


def test_the_code_of_random_labels_is_no_candidates() -> None:
    followed = [decode(seed=s, outputs=follow(COUNT, 10, "count")) for s in (1, 2, 3)]
    answer = verdict(followed + codes(3, count=2.0, mem=30.0, random=1.0))
    assert (answer["agree"], answer["code_lead"], answer["code_n"]) == ("True", "count", 3)


def test_the_rule_of_the_shortest_code_is_that_of_the_shortest_mean() -> None:
    followed = [decode(seed=s, outputs=follow(COUNT, 10, "mem")) for s in (1, 2, 3)]
    rows = [r for s in (1, 2, 3) for c, b in (("count", 100.0 if s == 3 else 1.0), ("mem", 10.0))
            for r in code(COUNT, 10, c, "lstm", s, b)]  # fmt: skip
    assert verdict(followed + rows)["agree"] == "True"


def test_a_seed_whose_codes_are_equal_is_for_none_of_its_rules() -> None:
    rows = [r for s in range(1, 5) for c, b in (("count", 9.0 if s < 3 else 10.0), ("mem", 10.0))
            for r in code(COUNT, 10, c, "lstm", s, b)]  # fmt: skip
    assert verdict(rows)["verdict"] == "2 of 4 seeds: count; 6 needed to test"


def test_a_tie_of_classes_or_of_codes_is_none_of_them_first() -> None:
    rows = [decode(seed=s, outputs=follow(COUNT, 10, ("count", "mem")[s % 2])) for s in range(1, 5)]
    answer = verdict(rows + codes(3, count=2.0, mem=30.0))
    assert (answer["fpa_class"], answer["agree"]) == ("", "")
    assert answer["fpa_verdict"] == "2 of 4 seeds: count and mem each"
    equal = [r for s in (1, 2, 3) for c in ("count", "mem") for r in code(COUNT, 10, c, "lstm", s, 10.0 + s)]
    followed = [decode(seed=s, outputs=follow(COUNT, 10, "count")) for s in (1, 2, 3)]
    assert verdict(followed + equal)["agree"] == ""


def test_families_are_the_pairs_that_a_measure_was_run_on_over_all_learners() -> None:
    rows = codes(8, count=2.0, mem=30.0)
    labels = ["mem"] * 7 + ["count"]
    for learner in ("lstm", "cnn", "transformer"):
        rows += [decode(seed=s, learner=learner, outputs=follow(COUNT, 10, c)) for s, c in enumerate(labels, 1)]
    pairs = tables(rows)["preferences"].set_index("learner")
    assert pairs.loc["lstm", "n_family"] == 1 and pairs["fpa_n_family"].tolist() == [3, 3, 3]
    assert pairs.loc["lstm", "p_signflip_holm"] == pairs.loc["lstm", "p_signflip"]
    assert pairs["p_mcnemar"].tolist() == pytest.approx([18 / 256] * 3)
    assert pairs["p_mcnemar_holm"].tolist() == pytest.approx([54 / 256] * 3)
    assert pairs["p_mcnemar_bh"].tolist() == pytest.approx([18 / 256] * 3)
    assert pairs["fpa_level"].tolist() == ["open"] * 3  # 8 seeds reach 2 / 256 * 3 < .05: enough to test, not sure


def test_what_is_preferred_by_fpa_is_so_after_the_correction() -> None:
    """9 against 1 of 12 seeds: p = .021; of three learners that make three tests it is .064."""
    labels = ["count"] * 9 + ["mem"] + ["other"] * 2
    rows = [decode(seed=s, learner=learner, outputs=follow(COUNT, 10, c))
            for learner in ("a", "b", "c") for s, c in enumerate(labels, 1)]  # fmt: skip
    alone = tables([row for row in rows if row["learner"] == "a"])
    assert alone["verdicts"]["rule"].tolist() == ["count"] and alone["preferences"]["fpa_level"].tolist() == ["tested"]
    three = tables(rows)
    assert three["verdicts"]["rule"].tolist() == ["", "", ""]
    assert set(three["preferences"]["fpa_level"]) == {"open"} and set(three["preferences"]["fpa_preferred"]) == {""}


def test_what_is_preferred_by_code_length_is_so_after_the_correction() -> None:
    """Eight sign flips of 256 are as far out: p = .031, .063 of two learners; paired t-tests say below .02."""
    shorter_by = [-1.3, 1.0, 1.2, 5.0, 5.1, 5.2, 5.3, 5.4]
    rows = [r for learner in ("a", "b") for s, bits in enumerate(shorter_by, 1)
            for c, b in (("count", 50.0), ("mem", 50.0 + bits)) for r in code(COUNT, 10, c, learner, s, b)]  # fmt: skip
    (alone,) = tables([row for row in rows if row["learner"] == "a"])["preferences"].to_dict("records")
    assert alone["p_signflip_holm"] == pytest.approx(8 / 256) and alone["preferred"] == "count"
    both = tables(rows)["preferences"]
    assert both["p_signflip_holm"].tolist() == pytest.approx([16 / 256] * 2) and (both["p_t_holm"] < 0.02).all()
    assert both["preferred"].tolist() == ["", ""] and both["level"].tolist() == ["open", "open"]


def test_the_mean_says_which_rule_is_preferred_and_not_the_median() -> None:
    """In 11 of 20 seeds `count` is shorter by a little, in nine longer by much: p = 2 * 2^11 / 2^20."""
    rows = [r for s in range(1, 21) for c, b in (("count", 50.0 + (50 if s > 11 else -0.1)), ("mem", 50.0))
            for r in code(COUNT, 10, c, "lstm", s, b)]  # fmt: skip
    (pair,) = tables(rows)["preferences"].to_dict("records")
    assert pair["p_signflip"] == pytest.approx(2**-8) and pair["diff_mean"] > 0 > pair["diff_median"]
    assert pair["preferred"] == "mem"


@pytest.mark.parametrize(("n", "level"), [(5, "descriptive"), (6, "open")])
def test_with_exactly_as_many_seeds_as_a_test_needs_it_is_a_test(n: int, level: str) -> None:
    rows = [r for s in range(1, n + 1) for c, b in (("count", 9.0 + (-1) ** s), ("mem", 9.0))
            for r in code(COUNT, 10, c, "lstm", s, b)]  # fmt: skip
    rows += [decode(seed=s, outputs=follow(COUNT, 10, ("count", "mem")[s % 2])) for s in range(1, n + 1)]
    (pair,) = tables(rows)["preferences"].to_dict("records")
    assert (pair["level"], pair["fpa_level"], pair["seeds_to_test"]) == (level, level, 6)


def test_each_task_is_a_family_of_its_own_by_fpa() -> None:
    """Six seeds are enough for one pair, p = .031, whatever another task's three pairs say."""
    decodes = [decode(seed=s, outputs=follow(COUNT, 10, "mem")) for s in range(1, 7)]
    others = [decode("add-or-mul", seed=s, outputs=follow(SUMS, 10, "add")) for s in range(1, 7)]
    lines = [*predictions(COUNT, 10, decodes), *predictions(SUMS, 10, others)]
    pairs = build_tables([], decodes + others, lines, TASKS)["preferences"].set_index(["task", "a", "b"])
    assert pairs["fpa_n_family"].tolist() == [3, 3, 3, 1]
    assert pairs.loc[("count-or-mem", "count", "mem"), "p_mcnemar_holm"] == pytest.approx(2 / 64)
    assert sorted(pairs["fpa_preferred"]) == ["", "", "", "mem"]


def pairs_of(*points: tuple[float, float]) -> pd.DataFrame:
    """Preferences with one pair for each cell: the differences of FPA and of code lengths."""
    rows = [
        {"task": "t", "size": 1, "learner": f"l{i}", "a": "x", "b": "y", "level": "open", "fpa_level": "open",
         "codes": "full", "blocks": "task", "fpa_diff": fpa, "diff_mean": bits} for i, (fpa, bits) in enumerate(points)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_agreement_does_not_hang_on_which_rule_of_a_pair_is_named_first() -> None:
    """All pairs favour x by both measures, the more by the one the less by the other: agreement nevertheless."""
    points = [(0.2, -50.0), (0.4, -40.0), (0.6, -30.0), (0.8, -20.0)]
    verdicts = pd.DataFrame({"task": ["t"] * 4, "agree": ["True", "True", "False", ""]})
    responses = pd.DataFrame(columns=["task", "size", "learner", "rule", "n"])
    (row, _) = agreement_table(pairs_of(*points), verdicts, responses).to_dict("records")
    # ranks of the eight points .2 to .8 and -.8 to -.2 with 50 to 20 and -20 to -50: 1 - 6 * sum d^2 / (8 * 63)
    assert row["rho"] == pytest.approx(1 - 6 * 2 * (9 + 1 + 1 + 9) / (8 * 63))
    turned = [points[0], (-0.4, 40.0), points[2], (-0.8, 20.0)]
    (other, _) = agreement_table(pairs_of(*turned), verdicts, responses).to_dict("records")
    assert other["rho"] == pytest.approx(row["rho"]) and other["rho_ci_low"] == pytest.approx(row["rho_ci_low"])
    assert (row["n_compared"], row["n_agree"], row["n_cells"]) == (3, 2, 4) and row["share"] == pytest.approx(2 / 3)


def test_signs_and_responses_that_agree_are_counted() -> None:
    points = [(0.2, -5.0), (-0.4, 4.0), (0.6, 3.0), (0.0, -2.0), (0.1, 0.0)]
    verdicts = pd.DataFrame({"task": ["t"] * 5, "agree": [""] * 5})
    n = {"l0": (9, 3), "l1": (5, 5), "l2": (1, 7), "l3": (4, 0), "l4": (3, 9)}
    rows = [("t", 1, learner, rule, count) for learner, of in n.items() for rule, count in zip("xy", of, strict=True)]
    rows += [("t", 1, learner, "none", 99) for learner in n]  # what no rule gives is no candidate
    responses = pd.DataFrame(rows, columns=["task", "size", "learner", "rule", "n"])
    row = agreement_table(pairs_of(*points), verdicts, responses).iloc[0]
    assert (row["n_both"], row["n_fpa_differs"], row["n_same_sign"]) == (5, 4, 2)
    # l0: x is shorter and given most; l1: a tie of responses; l2: y and y; l3: x and x; l4: codes are equal
    assert row["n_agree_responses"] == 3


def test_sensitivity_counts_pairs_that_one_measure_decides_alone() -> None:
    pairs = pairs_of(*[(0.1, -1.0)] * 6)
    pairs["level"] = ["tested"] * 4 + ["open"] * 2
    pairs["fpa_level"] = ["tested", "open", "open", "descriptive", "tested", "open"]
    verdicts = pd.DataFrame({"task": ["t"] * 6, "agree": [""] * 6})
    row = agreement_table(pairs, verdicts, pd.DataFrame(columns=["task", "size", "learner", "rule", "n"])).iloc[0]
    assert (row["n_tested_code_only"], row["n_tested_fpa_only"], row["n_tested_both"]) == (3, 1, 1)
    assert row["p_sensitivity"] == pytest.approx(2 * (1 + 4) / 16)


def test_measures_that_agree() -> None:
    rows: list[Row] = []
    for learner, rule in (("a", "count"), ("b", "mem"), ("c", "count"), ("d", "mem")):
        bits = {"count": 2.0, "mem": 30.0} if rule == "count" else {"count": 30.0, "mem": 2.0}
        rows += codes(8, COUNT, learner, **bits)
        rows += [decode(seed=s, learner=learner, outputs=follow(COUNT, 10, rule)) for s in range(1, 9)]
    row = tables(rows)["agreement"].set_index("task").loc["all tasks"]
    assert (row["n_compared"], row["n_agree"], row["n_pairs"], row["n_tested_both"]) == (4, 4, 4, 4)
    assert row["rho"] == pytest.approx(1) and row["rho_ci_low"] == pytest.approx(1) and row["p_sensitivity"] == 1


def test_too_few_cells_for_a_correlation() -> None:
    rows = codes(3, count=2.0, mem=30.0) + [decode(seed=s, outputs=follow(COUNT, 10, "mem")) for s in (1, 2, 3)]
    row = tables(rows)["agreement"].iloc[0]
    assert row["n_agree"] == 0 and math.isnan(row["rho"]) and "at least 3" in row["rho_note"]


def test_marks_in_the_paper_table() -> None:
    found = tables(codes(8, count=2.0, mem=30.0))
    marks = significance_marks(found["preferences"])
    assert marks["mark"].tolist() == ["**"] and marks["candidate"].tolist() == ["count"]
    assert "**2.09**\\*\\* [" in markdown(paper_tables(found["fpa"], found["code_length"], marks))


def test_surplus_and_scale_of_code_lengths() -> None:
    low = tables(codes(2, count=20.0, mem=30.0, random=3.0))["code_length"].set_index("candidate")
    assert low["surplus_bits"].tolist() == pytest.approx([0, 10 * 1.015, -17 * 1.015])  # random is no rule to exceed
    table = tables(codes(2, count=2.0, mem=30.0, random=300.0))["code_length"].set_index("candidate")
    assert table["surplus_bits"].tolist() == pytest.approx([0, 28 * 1.015, 298 * 1.015])
    assert table.loc["mem", "of_uniform"] == pytest.approx(30 * 1.015 / (20 * 11 * 3))


@pytest.mark.parametrize(("p", "said"), [(0.0001, "p < .001"), (0.0312, "p = .031"), (1.0, "p = 1.000")])
def test_p_values_in_words(p: float, said: str) -> None:
    assert p_in_words(p) == said
