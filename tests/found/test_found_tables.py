"""The tables of what seeds do, from predictions."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import pandas as pd
import pytest

from indoubt.data.task import Symbols, Task, line
from indoubt.found.found_rules import found_tables, median_interval
from indoubt.measures.classify import classify
from indoubt.measures.rows import Row
from indoubt.schema import columns_of
from tests.found.planted import TASKS

ABOUT = {
    "adam_state": "fresh",
    "rng_streams": "independent",
    "min_len": 0,
    "engine": "fused",
    "device": "cpu",
    "updates": 3000,
}
Answer = Callable[[Symbols, int], Symbols]


def predicted(task: Task, size: int, answer: Answer, n_seeds: int, learner: str = "made") -> list[Row]:
    """Predictions of seeds that fit T and give `answer(source, seed)` on H."""
    training, rows = dict(task.training_set(size)), []
    for seed in range(1, n_seeds + 1):
        outputs = [training[s] if s in training else answer(s, seed) for s in task.test_inputs(size)]
        label = classify(task, size, outputs)
        for source, output in zip(task.test_inputs(size), outputs, strict=True):
            about = {"task": task.name, "size": size, "learner": learner, "seed": seed, "class": label}
            rows.append(about | {"src": line(source), "pred": line(output)} | ABOUT | {"torch": "2"})
    return rows


def ends_vote(source: Symbols, seed: int) -> Symbols:
    """The ends' letter where they agree; where not, what most of the seeds take and some do not."""
    counted = (*source, source[0], source[-1])
    letter = "a" if counted.count("a") > counted.count("b") else "b"
    flips = seed % 4 == 0 and source[:2] == ("a", "b") and source[-1] == "b"
    return ("b" if letter == "a" else "a",) if flips else (letter,)


def the_row(table: pd.DataFrame) -> Row:
    assert len(table) == 1
    row: Row = table.iloc[0].to_dict()
    return row


def test_what_seeds_do_is_said_with_its_share() -> None:
    task = TASKS["first-last-majority-parity"]
    found, signatures = found_tables(predicted(task, 5, ends_vote, 24), TASKS)
    row = the_row(found)
    assert list(found.columns) == columns_of("found_rules") and list(signatures.columns) == columns_of("signatures")
    assert row["form"] == "rule" and row["n_seeds"] == row["n_part"] == 24
    assert row["ci_low"] <= row["share"] <= row["ci_high"] and row["share"] > 0.95
    assert row["deciding_ci_low"] > row["given_deciding"] and row["given"] == "majority"
    assert row["stable"] == "True" and row["kind"] == "ends_vote"
    signature = the_row(signatures)
    assert signature["n_fit"] == 24 and signature["n_distinct"] == 2 and 0.8 < signature["fleiss_kappa"] < 1
    assert signature["kappa_ci_low"] < signature["fleiss_kappa"] < signature["kappa_ci_high"]


def test_tables_are_the_same_to_the_byte_whatever_the_order_of_rows() -> None:
    task, copy = TASKS["first-last-majority-parity"], TASKS["copy-or-reverse"]
    rows = predicted(task, 5, ends_vote, 12) + predicted(copy, 4, lambda s, seed: s[-1:] + s[1:], 12)
    once = [table.to_csv() for table in found_tables(rows, TASKS)]
    mixed = list(rows)
    random.Random(5).shuffle(mixed)
    assert [table.to_csv() for table in found_tables(mixed, TASKS)] == once
    assert [table.to_csv() for table in found_tables(rows, TASKS)] == once


def test_seven_seeds_are_too_few() -> None:
    task = TASKS["first-last-majority-parity"]
    row = the_row(found_tables(predicted(task, 5, ends_vote, 7), TASKS)[0])
    assert row["form"] == "too few seeds" and row["n_seeds"] == 7 and row["note"] == "7 of the 8 seeds that it takes"
    assert pd.isna(row["share"]) and row["words"] == ""


def test_seeds_that_follow_a_given_rule_are_not_asked() -> None:
    task = TASKS["first-last-majority-parity"]
    found, signatures = found_tables(predicted(task, 5, lambda source, seed: source[:1], 12), TASKS)
    assert found.empty and the_row(signatures)["fleiss_kappa"] == 1.0


def test_outputs_of_nothing_and_outputs_that_were_cut_off() -> None:
    task = TASKS["add-or-mul"]
    nothing = the_row(found_tables(predicted(task, 5, lambda source, seed: (), 12), TASKS)[0])
    assert nothing["form"] == "none" and nothing["words"] == "always 0"
    cut, signatures = found_tables(predicted(task, 5, lambda source, seed: ("b",) * 200, 12), TASKS)
    row = the_row(cut)
    assert (row["form"], row["words"]) == ("kind", "cut off at the longest output there is") and row["share"] == 1.0
    assert the_row(signatures)["cut_off"] == 1.0


class OneInput(Task):
    """One hold-out input."""

    name = "one-input"
    sizes = (1,)
    candidates = {"same": lambda source, size: source, "first": lambda source, size: ("a",)}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [("a",)]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("a", "a")]


class NoOutput(OneInput):
    """T's output is empty."""

    name = "no-output"
    candidates = {"none": lambda source, size: (), "rest": lambda source, size: source[1:]}

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("a",) * n for n in range(2, 8)]


@pytest.mark.parametrize(
    ("task", "said"),
    [
        (OneInput(), "H has 1 input: no rule can be told from another"),
        (NoOutput(), "no grammar for a task of whose outputs T has none but empty ones"),
    ],
)
def test_where_there_is_nothing_to_find_a_sentence_says_so(task: Task, said: str) -> None:
    begun = time.process_time()
    rows = predicted(task, 1, lambda source, seed: ("a",) * (7 - len(source)), 12)
    row = the_row(found_tables(rows, {task.name: task})[0])
    assert row["form"] == "none" and row["note"] == said
    assert time.process_time() - begun < 1


class Thousands(Task):
    """Strings of thirteen letters: 8,190 hold-out inputs, of which some are searched."""

    name = "thousands"
    sizes = (13,)
    candidates = {"copy": lambda source, size: source, "reverse": lambda source, size: source[::-1]}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [(letter,) * size for letter in "ab"]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        strings = [tuple(f"{number:013b}".replace("0", "a").replace("1", "b")) for number in range(1, 2**size - 1)]
        return strings[:7706]


def test_thousands_of_inputs_are_searched_in_part_and_asked_in_full() -> None:
    task, begun = Thousands(), time.process_time()
    rows = predicted(task, 13, lambda source, seed: source[-1:] + source[1:], 8)
    found, signatures = found_tables(rows, {task.name: task})
    row = the_row(found)
    assert row["form"] == "rule" and row["words"] == "its last symbol + the input without its first"
    assert row["share"] == row["share_all"] == 1.0
    assert the_row(signatures)["n_inputs"] == 128
    assert time.process_time() - begun < 60


def test_the_interval_of_a_median_is_between_values() -> None:
    low, high = median_interval([float(n) for n in range(1, 21)])
    assert (low, high) == (6.0, 15.0)  # the sign test's interval of 20 values: the 6th and the 15th
    assert pd.isna(median_interval([1.0, 2.0])[0])
