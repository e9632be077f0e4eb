"""Permutation tests: known answers, brute force, and p-values as small as they are."""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from indoubt.statistics.paired import mcnemar_p
from indoubt.statistics.permutations import changed_classes, independent_classes, sign_flip


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=2, max_size=9))
def test_sign_flips_are_those_of_brute_force(values: list[int]) -> None:
    seen = abs(sum(values))
    sums = [sum(s * v for s, v in zip(signs, values, strict=True))
            for signs in itertools.product((1, -1), repeat=len(values))]  # fmt: skip
    p = sum(abs(total) >= seen for total in sums) / len(sums)
    assert sign_flip(np.array(values, dtype=float), "x") == pytest.approx(p)


def test_ties_by_rounding_are_ties() -> None:
    """.1 + .2 is .3 but for rounding: of the 8 signs of .1, .2, .3 four give 0, and all are as far as it."""
    assert sign_flip(np.array([0.1, 0.2, -0.3]), "x") == 1.0
    assert sign_flip(np.array([0.1, 0.2, 0.3, -0.6]) * 1e5, "x") == 1.0


@pytest.mark.parametrize("n", [16, 20, 32, 33, 48, 100])
def test_the_smallest_p_of_many_seeds(n: int) -> None:
    """What 50,000 random signs cannot tell from 4e-5."""
    assert sign_flip(np.linspace(1.0, 2.0, n), "x") == pytest.approx(2.0 ** (1 - n))
    assert sign_flip(np.concatenate([np.linspace(1.0, 2.0, n), np.zeros(5)]), "x") == pytest.approx(2.0 ** (1 - n))


@pytest.mark.parametrize(("n", "wrong"), [(20, 3), (32, 5), (40, 1), (40, 4), (40, 12), (45, 20)])
def test_beyond_all_signs_p_is_that_of_the_exact_distribution(n: int, wrong: int) -> None:
    """Differences of 1 to n: the sum of signed ranks, whose distribution is known for any n."""
    d = np.arange(1.0, n + 1)
    d[np.linspace(0, n - 1, wrong).astype(int)] *= -1
    exact = stats.wilcoxon(d, method="exact").pvalue
    assert sign_flip(d, "x") == pytest.approx(exact, rel=0.05)
    assert sign_flip(-d, "x") == sign_flip(d, "x")


def test_signs_that_are_drawn_are_drawn_alike_each_time() -> None:
    d = np.random.default_rng(1).normal(0.3, 1, 60)
    assert sign_flip(d, "a") == sign_flip(d, "a") != sign_flip(d, "b")
    t = stats.ttest_1samp(d, 0).pvalue
    assert sign_flip(d, "a") == pytest.approx(t, rel=0.2)


@pytest.mark.parametrize(("a", "b"), [(7, 0), (0, 7), (9, 1), (3, 3), (12, 5), (20, 0)])
def test_of_two_classes_it_is_exact_mcnemar(a: int, b: int) -> None:
    before, after = ["m"] * a + ["c"] * b + ["m"] * 9, ["c"] * a + ["m"] * b + ["m"] * 9
    assert changed_classes(before, after) == pytest.approx(mcnemar_p(a, b))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("mco"), st.sampled_from("mco")), min_size=1, max_size=8))
def test_of_several_classes_it_is_brute_force_over_swaps(pairs: list[tuple[str, str]]) -> None:
    def far(swapped: list[tuple[str, str]]) -> int:
        net = Counter(after for _, after in swapped)
        net.subtract(before for before, _ in swapped)
        return sum(n * n for n in net.values())

    all_swaps = [
        far([pair[::-1] if swap else pair for pair, swap in zip(pairs, swaps, strict=True)])
        for swaps in itertools.product((False, True), repeat=len(pairs))
    ]
    p = sum(each >= far(pairs) for each in all_swaps) / len(all_swaps)
    assert changed_classes(*zip(*pairs, strict=True)) == pytest.approx(p)


def test_many_changes_among_many_classes_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = list("aaaaaabbbbbccccdd"), list("bbccddccaaadaabac")
    exact = changed_classes(before, after)
    monkeypatch.setattr("indoubt.statistics.permutations.OUTCOMES", 1)
    assert changed_classes(before, after) == pytest.approx(exact, rel=0.02)


@pytest.mark.parametrize("counts", [[[8, 1], [2, 9]], [[5, 5], [3, 4]], [[0, 12], [12, 0]], [[7, 2], [0, 0], [1, 6]]])
def test_two_classes_of_two_samples_are_fishers_test(counts: list[list[int]]) -> None:
    table = np.array(counts)
    fisher = stats.fisher_exact(table[table.sum(axis=1) > 0]).pvalue
    assert independent_classes(table) == pytest.approx(fisher)
    assert independent_classes(table[:, ::-1]) == pytest.approx(fisher)


def test_three_classes_by_hand() -> None:
    """Margins 2, 1, 1 and 2 against 2: the six draws of two of four seeds."""
    table = np.array([[2, 0], [0, 1], [0, 1]])
    # both of the first class: 1 of 6; one of it and one other: 4 of 6; the two others: 1 of 6
    assert independent_classes(table) == pytest.approx(1 / 3)
    assert independent_classes(np.array([[1, 1], [1, 0], [0, 1]])) == pytest.approx(1)
    assert independent_classes(np.array([[3, 9]])) == 1


def test_three_classes_are_counted_below_what_draws_could_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    far = np.array([[24, 0], [0, 13], [0, 11]])
    assert independent_classes(far) == pytest.approx(2 / math.comb(48, 24), rel=1e-6)
    near = np.array([[9, 3], [2, 6], [1, 3]])
    exact = independent_classes(near)
    monkeypatch.setattr("indoubt.statistics.permutations.OUTCOMES", 1)
    assert independent_classes(near) == pytest.approx(exact, rel=0.02)
