"""From decoded outputs to rules: small cases worked out by hand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indoubt.data.check import check_distinguishable, least_separating, n_ambiguous
from indoubt.data.rules import rules, with_random
from indoubt.data.task import Symbols, Task, line, load_tasks, words
from indoubt.errors import UserError
from indoubt.measures.classify import classes, classify, predictions
from tests.shared.made_up import decode, follow
from tests.shared.workspace import ROOT

TASKS = load_tasks()
COUNT = TASKS["count-or-mem"]


def outputs(task: Task, size: int, rule: str) -> list[Symbols]:
    return [words(text) for text in follow(task, size, rule)]


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_who_follows_a_rule_is_of_its_class(task: Task) -> None:
    for size in task.sizes:
        for label in rules(task):
            assert classify(task, size, outputs(task, size, label)) == label


def test_classes_besides_the_rules() -> None:
    assert classes(COUNT) == ("count", "mem", "total", "other", "unfit", "diverged")
    assert classify(COUNT, 10, outputs(COUNT, 10, "other")) == "other"
    assert classify(COUNT, 10, outputs(COUNT, 10, "unfit")) == "unfit"
    assert classify(COUNT, 10, None) == "diverged"


def test_a_seed_that_agrees_on_h_but_does_not_fit_t_is_unfit() -> None:
    decoded = outputs(COUNT, 10, "count")
    decoded[10] = ("b",) * 9  # T's input, ten symbols long
    assert classify(COUNT, 10, decoded) == "unfit"


def test_one_hold_out_input_decides() -> None:
    decoded = outputs(COUNT, 10, "count")
    assert decoded[0] == ()  # the empty input, where `count` gives nothing
    decoded[0] = ("b",)
    assert classify(COUNT, 10, decoded) == "other"


@given(st.lists(st.sampled_from(["", "b", "b b", "a"]), min_size=21, max_size=21))
def test_whatever_is_decoded_has_one_class(decoded: list[str]) -> None:
    assert classify(COUNT, 10, [words(text) for text in decoded]) in classes(COUNT)


def test_inputs_that_tell_nothing() -> None:
    assert n_ambiguous(TASKS["hierar-or-linear"], 4) == 8  # centre = wrapper: half of 16
    assert n_ambiguous(COUNT, 10) == 0


def test_on_how_many_inputs_any_two_candidates_differ() -> None:
    """With two letters no input of odd-or-place tells six rules apart, yet any two of them differ on eight or more."""
    task = TASKS["odd-or-place"]
    assert n_ambiguous(task, 4) == len(task.holdout_inputs(4)) == 30 and least_separating(task, 4) == 8
    assert least_separating(TASKS["hierar-or-linear"], 4) == 8 and least_separating(COUNT, 10) == 20
    assert least_separating(TASKS["add-or-mul"], 5) == 6


def test_an_input_on_which_two_of_three_candidates_agree_is_ambiguous() -> None:
    """What `random` gives does not count, though it be what a candidate gives."""
    said = {"a b": "xyz", "b a": "xxz", "b b": "xyx", "a b a": "zzz"}  # by each rule; T is `a`
    names = ("one", "two", "three")

    def rule(place: int) -> Callable[[Symbols, int], Symbols]:
        return lambda source, size: (said.get(line(source), "ttt")[place],)

    def task(*order: str) -> Task:
        candidates = {name: rule(names.index(name)) for name in order} | {"random": rule(0)}
        inputs = {"holdout_inputs": lambda self, size: [words(text) for text in said]}
        return type("Three", (OneRule,), {"candidates": candidates, **inputs})()

    for order in permutations(names):
        assert n_ambiguous(task(*order), 2) == 3
    assert n_ambiguous(task("two", "three"), 2) == 1 and n_ambiguous(task("one", "two"), 2) == 2


class OneRule(Task):
    name = "one-rule"
    sizes = (2,)
    candidates = {"copy": lambda source, size: source}

    def training_inputs(self, size: int) -> list[Symbols]:
        return [("a", "a")]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [("a",)]


class Twins(OneRule):
    candidates = {"copy": lambda source, size: source, "same": lambda source, size: source}


class NoHoldout(OneRule):
    def holdout_inputs(self, size: int) -> list[Symbols]:
        return []


def test_a_task_of_one_candidate() -> None:
    assert classify(OneRule(), 2, [("a",), ("a", "a")]) == "copy"
    assert n_ambiguous(OneRule(), 2) == least_separating(OneRule(), 2) == 0


@pytest.mark.parametrize(("task", "said"), [(Twins(), "'copy' and 'same'"), (NoHoldout(), "no hold-out")])
def test_rules_that_nothing_tells_apart_are_refused(task: Task, said: str) -> None:
    with pytest.raises(UserError, match=said):
        check_distinguishable(task, 2)


def test_random_is_no_rule() -> None:
    task = with_random(COUNT)
    assert "random" in task.datasets and "random" not in rules(task) and "random" not in classes(task)


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_random_labels(task: Task) -> None:
    for size in task.sizes:
        drawn = with_random(task).candidates["random"]
        symbols = {s for _, output in task.training_set(size) for s in output}
        assert with_random(task).training_set(size) == task.training_set(size)
        longest = max(len(r(s, size)) for r in task.candidates.values() for s in task.scored_inputs(size))
        labels = [drawn(source, size) for source in task.scored_inputs(size)]
        assert all(1 <= len(label) <= longest and set(label) <= symbols for label in labels)
        assert labels == [with_random(task).candidates["random"](s, size) for s in task.scored_inputs(size)]
        if len(labels) > 1:
            assert labels != [with_random(task, 1).candidates["random"](s, size) for s in task.scored_inputs(size)]
        for rule in task.candidates.values():
            assert labels != [rule(source, size) for source in task.scored_inputs(size)] or len(labels) == 1
        for source, label in zip(task.scored_inputs(size), labels, strict=True):
            taken = {rule(source, size) for rule in task.candidates.values()}
            # where all outputs have length 1 the rules may leave no other
            assert label not in taken or (longest == 1 and {output[0] for output in taken} >= symbols)


def test_predictions_have_a_line_per_seed_and_input() -> None:
    lines = predictions(COUNT, 10, [decode(seed=2), decode(seed=1, outputs=follow(COUNT, 10, "mem"))])
    assert len(lines) == 2 * 21 and [line["seed"] for line in lines] == [1] * 21 + [2] * 21
    first, trained, diverged = lines[0], lines[10], lines[21]
    assert (first["src"], first["src_len"], first["pred_len"], first["class"]) == ("", 0, 10, "mem")
    assert first["agrees"] == ["mem"] and not first["in_training"]
    assert trained["agrees"] == ["count", "mem", "total"] and trained["in_training"]
    assert diverged["class"] == "diverged" and diverged["pred"] is None and diverged["agrees"] == []


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([decode(outputs=["b"])], "1 decoded outputs for the 21 lines"),
        ([decode(outputs=follow(COUNT, 10, r)) for r in ("mem", "count")], "seed 1 was decoded twice"),
    ],
)
def test_bad_decodings_are_refused(rows: Sequence[dict[str, object]], said: str) -> None:
    with pytest.raises(UserError, match=said):
        predictions(COUNT, 10, rows)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "predictions.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_command_line(tmp_path: Path) -> None:
    runs, output = tmp_path / "lstm.jsonl", tmp_path / "new" / "predictions.jsonl"
    runs.write_text(json.dumps(decode(outputs=follow(COUNT, 10, "count"))) + "\n")
    done = run("--task", "count-or-mem", "--size", 10, "--runs", runs, "--output", output)
    assert done.returncode == 0, done.stderr
    assert len(output.read_text().splitlines()) == 21
    other = run("--task", "count-or-mem", "--size", 20, "--runs", runs, "--output", output)
    assert other.returncode == 1 and "is about count-or-mem/10, not about count-or-mem/20" in other.stderr
    assert run("--task", "count-or-mem", "--size", 10, "--runs", "nowhere", "--output", output).returncode == 1
