"""A task that cannot be measured as it is, is refused when the configuration is read, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from indoubt.data.check import check_task
from indoubt.data.task import Symbols, Task, load_tasks
from indoubt.errors import UserError
from indoubt.workflow.plan import Plan
from tests.shared.workspace import ROOT


def backwards(source: Symbols, size: int) -> Symbols:
    return source[::-1]


def same(source: Symbols, size: int) -> Symbols:
    return source


class Good(Task):
    """A task without a fault: each test below spoils one thing."""

    name = "spoilt"
    sizes = (2,)
    candidates: Mapping[str, Any] = {"backwards": backwards, "same": same}

    def training_inputs(self, size: int) -> list[Any]:
        return [("a", "b", "a"), ("b",)]

    def holdout_inputs(self, size: int) -> list[Any]:
        return [("a", "b"), ("a", "a", "b")]


def spoilt(**changes: Any) -> Task:
    """The task with some attributes changed; what should be a method may be given as its result."""
    methods = ("training_inputs", "holdout_inputs", "scored_inputs", "fit_inputs", "test_inputs", "unseen_symbols")

    def method(value: Any) -> Any:
        return lambda self, size: value

    given = {key: method(value) if key in methods else value for key, value in changes.items()}
    return type("Spoilt", (Good,), given)()


def test_the_task_itself_is_fine() -> None:
    check_task(Good(), 2)
    check_task(spoilt(training_inputs=[("a", "b", "a"), ("b",), ("b",)]), 2)  # T may hold an example repeatedly
    check_task(spoilt(scored_inputs=[("a", "b")], fit_inputs=[("b",)]), 2)
    check_task(
        spoilt(scored_inputs=[("a", "b")], fit_inputs=[("b",)], test_inputs=[("b",), ("a", "b"), ("a", "a", "b")]), 2
    )


def seen_once(source: Symbols, size: int) -> Symbols:
    """Another output whenever it is asked."""
    seen_once.calls = getattr(seen_once, "calls", 0) + 1  # type: ignore[attr-defined]
    return source if source != ("b",) else ("b",) * seen_once.calls  # type: ignore[attr-defined]


def later(source: Symbols, size: int) -> Symbols:
    """Differs from `same` on one input of H only."""
    return source if source != ("a", "a", "b") else ("a",)


T = [("a", "b", "a"), ("b",)]


@pytest.mark.parametrize("symbol", ["</s>", "<pad>", "<s>", "<unk>", "madeupword0000", "madeupword12345"])
def test_fairseqs_own_symbols(symbol: str) -> None:
    with pytest.raises(UserError, match=r"training_inputs .* the symbol .* is fairseq's own; use another"):
        check_task(spoilt(training_inputs=[(symbol,)]), 2)
    with pytest.raises(UserError, match=r"'spoilt', size 2: candidate 'same' gives .* is fairseq's own"):
        check_task(spoilt(candidates={"backwards": backwards, "same": lambda source, size: (symbol,)}), 2)


@pytest.mark.parametrize(
    ("symbol", "fault"),
    [
        ("turn left", "holds a blank"),
        ("", "is empty"),
        ("a\tb", "a tab"),
        ("a\n", "a line's end"),
        ("\r", "a line's end"),
        ("a\u2028", "a line's end"),
        ("a\u00a0b", "holds a blank"),
        ("a\x00", "control character"),
        ("\x1b[1m", "control character"),
        ("\ud800", "control character"),
    ],
)
@pytest.mark.parametrize("place", ["training_inputs", "holdout_inputs", "test_inputs", "rule"])
def test_symbols_that_text_does_not_carry(symbol: str, fault: str, place: str) -> None:
    if place == "rule":
        changes: dict[str, Any] = {"candidates": {"backwards": backwards, "same": lambda source, size: (symbol,)}}
    else:
        changes = {place: [("b",), (symbol, "a")]}
    with pytest.raises(UserError, match=fault) as caught:
        check_task(spoilt(**changes), 2)
    assert "task 'spoilt', size 2" in str(caught.value) and repr(symbol) in str(caught.value)


@pytest.mark.parametrize("value", [(1, 2), "ab", 3, ["a", "b"], None, ("a", 1)])
@pytest.mark.parametrize("place", ["training_inputs", "holdout_inputs", "test_inputs", "rule"])
def test_what_is_no_tuple_of_symbols(value: Any, place: str) -> None:
    changes: dict[str, Any] = {place: [("b",), value]}
    if place == "rule":
        changes = {"candidates": {"backwards": backwards, "same": lambda source, size: value}}
    with pytest.raises(UserError, match="must be a tuple of symbols such as"):
        check_task(spoilt(**changes), 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training_inputs": []},
         "training_inputs gives no example"),
        ({"training_inputs": "ab"},
         "training_inputs gives 'ab', not a list of sources"),
        ({"holdout_inputs": None},
         "holdout_inputs gives None, not a list of sources"),
        ({"holdout_inputs": []},
         "has no hold-out inputs"),
        ({"holdout_inputs": [("a", "b"), ("b",)]},
         "'b' is both in training_inputs and in holdout_inputs"),
        ({"test_inputs": [*T, ("a", "b")]},
         "test_inputs lacks 'a a b', which holdout_inputs gives"),
        ({"test_inputs": [("b",), ("a", "b"), ("a", "a", "b")]},
         "test_inputs lacks 'a b a', which fit_inputs gives"),
        ({"scored_inputs": [("b", "b")]},
         "scored_inputs gives 'b b', which holdout_inputs lacks"),
        ({"scored_inputs": []},
         "has no hold-out inputs"),
        ({"fit_inputs": [("a",)]},
         "fit_inputs gives 'a', which training_inputs lacks"),
        ({"fit_inputs": []},
         "fit_inputs gives no source"),
        ({"holdout_inputs": [("a", "c")]},
         "has the symbol 'c', which T's sources and so all dictionaries lack"),
        ({"unseen_symbols": ("c",)},
         "not two tuples: of sources and of outputs"),
        ({"unseen_symbols": (("c d",), ())},
         "unseen_symbols .* holds a blank"),
        ({"unseen_symbols": (("c",), ()), "candidates": {"same": same, "new": lambda s, size: s if s in T else ("d",)}},
         "candidate 'new' gives the symbol 'd' for 'a b', which neither T's outputs nor unseen_symbols hold"),
        ({"candidates": {"same": same, "twin": same}},
         "candidates 'same' and 'twin' give the same outputs on all"),
        ({"candidates": {"same": same, "long": lambda s, size: (*s, "a")}},
         "the candidates disagree on the training"),
        ({"candidates": {"same": same, "odd": seen_once}},
         "disagree on the training input 'b'|T has the source 'b' twice"),
        ({"candidates": {"same": same, "fifth": lambda s, size: s[5]}},
         "candidate 'fifth' of 'a b a' fails: IndexError: tuple index out of range"),
        ({"scored_inputs": [("a", "b")], "candidates": {"same": same, "later": later}},
         "candidates 'same' and 'later' give the same outputs on all hold-out inputs that are sent"),
        ({"further_rules": {"twin": same}},
         "candidate or rule 'same' and 'twin' give the same outputs"),
        ({"further_rules": {"no-fit": lambda s, size: ("a",)}},
         "further rule 'no-fit' does not give T's output 'a b a'"),
        ({"further_rules": {"silent": lambda s, size: None}},
         "further rule 'silent' says nothing of any hold-out input"),
        ({"further_rules": {"text": lambda s, size: "ab" if s not in T else None}},
         "further rule 'text' .* must be a tuple"),
        ({"answers": {"maybe": lambda s, output, size: None}},
         "answer 'maybe' gives None for 'a b'; it must be a predicate"),
        ({"answers": {"rule": lambda s, size: s}},
         "answer 'rule' of 'a b' fails: TypeError"),
    ],
)  # fmt: skip
def test_faults_of_a_task(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        check_task(spoilt(**changes), 2)
    assert "task 'spoilt', size 2" in str(caught.value) and "\n" not in str(caught.value)


def test_a_repeated_example_of_which_a_rule_says_now_this_and_now_that() -> None:
    task = spoilt(training_inputs=[("b",), ("b",)], candidates={"odd": seen_once}, holdout_inputs=[("b", "b")])
    with pytest.raises(UserError, match="T has the source 'b' twice, with the outputs"):
        check_task(task, 2)


SPOILT = '''
from indoubt import Symbols, Task

class Reverse(Task):
    """Is the rule "backwards" or "the same"?"""
    name = "reverse"
    sizes = (2,)
    candidates = {"backwards": lambda source, size: source[::-1], "same": lambda source, size: source}
    def training_inputs(self, size):
        return [("turn left",) * size]
    def holdout_inputs(self, size):
        return [("turn left", "turn right")]
'''


def test_it_is_seen_when_the_configuration_is_read(tmp_path: Path) -> None:
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/reverse.py").write_text(SPOILT)
    experiment = {"task": "reverse", "learners": ["cnn"], "seeds": 1, "candidates": ["random"]}
    content = yaml.safe_load((ROOT / "config.yaml").read_text())
    content |= {"task_folder": str(tmp_path / "tasks"), "experiments": [experiment]}
    with pytest.raises(UserError, match=r"task 'reverse', size 2: training_inputs gives .* 'turn left' holds a blank"):
        Plan(content, tmp_path)
    (tmp_path / "tasks/reverse.py").write_text(SPOILT.replace("turn right", "turn left").replace("turn left", "left"))
    with pytest.raises(UserError, match="'left left' is both in training_inputs and in holdout_inputs"):
        Plan(content, tmp_path)


@pytest.mark.parametrize("name", load_tasks())
def test_every_task_passes(name: str) -> None:
    task = load_tasks()[name]
    for size in task.sizes:
        check_task(task, size)
