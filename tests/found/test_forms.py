"""What may be said, on seeds whose rule is known and on seeds that have none."""

from __future__ import annotations

import numpy as np
import pytest

from indoubt.found.findings import NONE, RULE, SPLIT, finding, mean, measure
from indoubt.found.search import best, split
from tests.found.planted import drawn, library_of, seeds_of, shuffled

GRAMMARS = [("add-or-mul", 5), ("odd-or-place", 4), ("copy-or-reverse", 4)]


@pytest.mark.parametrize(("task", "size"), GRAMMARS)
def test_a_planted_rule_is_found_in_half_of_the_seeds(task: str, size: int) -> None:
    made, found = library_of(task, size), 0
    for place in drawn(made, 30, task):
        said = made.whole.said[place]
        responses = seeds_of(made, said, 24, 0.2, f"{task}/{place}")
        rule = best(made, responses[::2]).rule
        found += rule.key == said.tobytes()
        true, held = (responses[1::2] == said).mean(), (responses[1::2] == rule.said).mean()
        assert abs(true - held) <= 0.05 or held > true, rule.words
    assert found >= 28


@pytest.mark.parametrize(("task", "size"), GRAMMARS[:2])
def test_two_planted_rules_are_told_apart(task: str, size: int) -> None:
    made, pairs = library_of(task, size), []
    places = drawn(made, 60, f"{task} pairs")
    for one, another in zip(places[::2], places[1::2], strict=True):
        if (made.whole.said[one] != made.whole.said[another]).mean() >= 0.25:
            pairs.append((made.whole.said[one], made.whole.said[another]))
    for number, (one, another) in enumerate(pairs[:10]):
        halves = [seeds_of(made, said, 12, 0.1, f"{task}/{number}/{k}") for k, said in enumerate((one, another))]
        responses = np.concatenate(halves)[np.random.default_rng(number).permutation(24)]
        rules = split(made, responses, best(made, responses)).rules
        assert {rule.key for rule in rules} == {one.tobytes(), another.tobytes()}
    assert len(pairs) >= 10


def test_an_opposite_is_said_as_one() -> None:
    """A rule that is always wrong has no use: what is said instead is its opposite."""
    made = library_of("first-last-majority-parity", 5)
    parity = made.given["parity"].said
    letters = {("a",): ("b",), ("b",): ("a",)}
    opposite = made.outputs.row(letters[made.outputs.said[number]] for number in parity)
    result = finding(made, np.repeat([opposite], 24, axis=0), "opposite")
    assert result.form == RULE and result.found.one.rule.words == (
        "the letter that is not the one that occurs an odd number of times"
    )
    assert result.share == 1.0 and mean(result.held.given) < 0.7


@pytest.mark.parametrize(("task", "size"), GRAMMARS)
def test_a_constant_is_no_rule(task: str, size: int) -> None:
    made = library_of(task, size)
    output = next(iter(made.training.values()))
    responses = np.repeat([made.outputs.row(output for _ in made.inputs)], 24, axis=0)
    result = finding(made, responses, "constant")
    assert result.form == ("given" if task == "add-or-mul" else "kind" if task == "copy-or-reverse" else NONE)


def test_ends_that_outvote_are_no_rule_of_seeds_that_follow_the_majority() -> None:
    """They give .92 of the majority's answers, all but those that decide."""
    made = library_of("first-last-majority-parity", 5)
    ends = next(k for k, about in enumerate(made.whole.rules) if about[1] == "first+last, else most frequent" or
                "first and last twice" in about[0])  # fmt: skip
    majority = made.given["majority"].said
    assert (made.whole.said[ends] == majority).mean() > 0.9
    for noise in (0.0, 0.03, 0.05):
        result = finding(made, seeds_of(made, majority, 48, noise, f"majority {noise}"), "majority")
        assert result.form == "given" and result.found.given is not None and result.found.given.name == "majority"


@pytest.mark.parametrize(
    ("task", "size"), [*GRAMMARS, ("count-or-mem", 10), ("first-last-majority-parity", 5), ("comp-or-mem", 5)]
)
def test_outputs_that_were_shuffled_follow_no_rule(task: str, size: int) -> None:
    made = library_of(task, size)
    for number in range(10):
        place = drawn(made, 10, f"{task} null")[number]
        responses = seeds_of(made, made.whole.said[place], 48, 0.3, f"null/{task}/{number}")
        null = shuffled(made, responses, f"{task}/{number}")
        held = measure(made, null)
        assert finding(made, null, f"{task}/{number}").form not in (RULE, SPLIT)
        assert mean(held.kappa) < 0.25
