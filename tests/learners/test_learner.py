"""The kinds of learners: what they are known by is as it has always been, and what earlier versions wrote is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from indoubt.errors import UserError
from indoubt.learner import FairseqLearner, HuggingFaceLearner, Learner, ModuleLearner, learner_of_json
from indoubt.training import Example, Protocol, Training
from indoubt.workflow.ledger import shelf_of

SYMBOLS = ("<s>", "<pad>", "</s>", "<unk>", "a", "b", "madeupword0000", "madeupword0001")
LSTM = {"arch": "lstm", "lr": [0.001]}
MINE = {"module": "mine.Mine", "width": 8}
GPT = {"hf": "gpt2", "head": "causal", "config": {"n_embd": 16}, "transformers": "5"}

#: A learner, what earlier versions wrote for it, and the names of its training and shelf, by which they filed results.
EARLIER: list[tuple[Learner, dict[str, Any], str, str]] = [
    (
        FairseqLearner(LSTM, 5, None, "plug/ins"),
        {"arguments": LSTM, "updates": 5, "batch_size": None, "user_dir": "plug/ins"},
        "eeccbd3dddd89f136c18d8ed20bb9bf3",
        "301e44df2a5221e3",
    ),
    (
        FairseqLearner(LSTM, 5, 2),
        {"arguments": LSTM, "updates": 5, "batch_size": 2, "user_dir": None},
        "b8ebd5f5a9c26ed0739828d5872f4b04",
        "8929541b73ea7c61",
    ),
    (
        ModuleLearner(MINE, 5, 2, file="my/mine.py"),
        {"arguments": MINE, "updates": 5, "batch_size": 2, "user_dir": "my/mine.py"},
        "6f08626a047a244d06e6a7056b2d902c",
        "e78ac2c28b19398d",
    ),
    (
        HuggingFaceLearner(GPT, 5, None, "saved"),
        {"arguments": GPT, "updates": 5, "batch_size": None, "user_dir": "saved"},
        "5436b84ce8a5cb6c4a32080ebcec26a8",
        "e6db18f73a6daf93",
    ),
]


@pytest.mark.parametrize(("learner", "written", "key", "shelf"), EARLIER)
def test_results_are_filed_under_the_names_that_they_have_always_had(
    learner: Learner, written: dict[str, Any], key: str, shelf: str
) -> None:
    training = Training(learner, Protocol(), 7, SYMBOLS, SYMBOLS, ((Example((4, 2), (5, 2)),),))
    assert (training.key, shelf_of(training)) == (key, shelf)
    assert learner_of_json(written) == learner, "as an earlier version wrote it"
    assert learner_of_json(json.loads(json.dumps(learner.to_json()))) == learner


def test_a_kind_says_what_it_is() -> None:
    lstm, drawn, mine, gpt = (learner for learner, *_ in EARLIER)
    assert [each.place for each in (lstm, drawn, mine, gpt)] == ["plug/ins", None, "my/mine.py", "saved"]
    assert [each.engine for each in (drawn, mine, gpt)] == ["fairseq", "modules", "modules"]
    assert isinstance(lstm, FairseqLearner) and lstm.arch == "lstm"
    assert isinstance(mine, ModuleLearner) and mine.class_name == "Mine"
    assert isinstance(gpt, HuggingFaceLearner) and (gpt.type, gpt.head, gpt.config) == (
        "gpt2",
        "causal",
        {"n_embd": 16},
    )


@pytest.mark.parametrize(
    "content",
    [{}, {"arguments": {}}, {"arguments": LSTM, "colour": 1}, {"kind": "brain", "arguments": LSTM}, {"arguments": 3}],
)
def test_what_is_no_learner_is_refused_in_words(content: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="is no learner that this version knows"):
        learner_of_json(content)
