"""How examples are written as tokens: which tokens stand for symbols, and what hangs on the seed."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from typing import Any

import pytest

from indoubt.data.task import load_tasks
from indoubt.engines.in_context.prompts import Tokens, Writer
from indoubt.errors import UserError
from indoubt.training import Training
from indoubt.workflow.required_trainings import Cell
from tests.shared import in_context

MIXED = [
    "<s>",
    "<pad>",
    "<unk>",
    "\n",
    "Input:",
    "Output:",
    "Rule.",
    " ->",
    " the",
    " and",
    " cat",
    " Dog",
    " a",
    " b",
    "x",
]


def writer(words: list[str] = in_context.WORDS, **changed: Any) -> Writer:
    return Writer(Tokens(in_context.tokenizer(words)), in_context.ARGUMENTS | changed, "models/some")


def cell(name: str = "comp-or-mem") -> Cell:
    task = load_tasks()[name]
    return in_context.cell_of(task, task.sizes[0], in_context.InContextLearner(in_context.ARGUMENTS, folder=""))


def text(ids: Any) -> str:
    return str(in_context.tokenizer().decode(list(ids)))


def test_a_prompt_is_t_in_an_order_of_the_seeds_own() -> None:
    training = cell("copy-or-reverse").training("fpa", 1, 0)
    lines = text(writer().prompt(training).start).removeprefix("<s>").splitlines()
    assert len(lines) == len(training.blocks[0])
    assert all(line.count(" ->") == 1 for line in lines)
    given = text(writer(order="given").prompt(training).start).removeprefix("<s>").splitlines()
    assert sorted(lines) == sorted(given)
    orders = {tuple(writer(symbols="own").prompt(replace(training, seed=seed)).start) for seed in range(1, 9)}
    assert len(orders) > 1
    assert (
        len({tuple(writer(symbols="own", order="given").prompt(replace(training, seed=s)).start) for s in (1, 2)}) == 1
    )


def test_copies_stand_in_one_order_of_all() -> None:
    training = cell().training("fpa", 1, 0)
    once, thrice = (text(writer(copies=n).prompt(training).start).removeprefix("<s>").splitlines() for n in (1, 3))
    assert sorted(thrice) == sorted(once * 3) and thrice != once * 3


def test_symbols_are_drawn_by_their_names_and_the_seed() -> None:
    """As it is written down: a sample of the pool, by a stream that hangs on the seed alone."""
    letters = [i for i, word in enumerate(in_context.WORDS) if len(word) == 2 and word != "\n"]
    drawn = random.Random(hashlib.sha256(b"in-context/symbols/7").digest()).sample(letters, 3)
    assert writer().tokens_of(["b", "c", "a"], 7) == dict(zip("abc", drawn, strict=True))
    assert writer().tokens_of(["b", "c", "a"], 8) != writer().tokens_of(["a", "b", "c"], 7)


def test_a_seed_has_the_same_symbols_in_all_candidates_and_in_fpa() -> None:
    """Dictionaries hold the same symbols in different orders."""
    measured = cell()
    trainings = [measured.training(name, 3, 0) for name in measured.datasets]
    assert len({training.target_symbols for training in trainings} | {t.source_symbols for t in trainings}) > 2
    prompts = [writer().prompt(training) for training in trainings]
    assert len({prompt.start for prompt in prompts}) == 1
    assert len({prompt.alphabet for prompt in prompts}) == 1
    assert writer().prompt(measured.training("fpa", 4, 0)).start != prompts[0].start


def test_inputs_and_outputs_are_read_back() -> None:
    training = cell().training("fpa", 3, 0)
    prompt = writer().prompt(training)
    for example in training.blocks[0]:
        said = prompt.said(example.target)
        assert said[-1] == prompt.end == prompt.alphabet[-1]
        assert tuple(prompt.symbols[token] for token in said[:-1]) == example.target[:-1]
        assert set(said) <= set(prompt.alphabet)
        assert prompt.example(example) == prompt.asked(example.source) + said


def test_pools_hold_tokens_that_are_their_texts_alone() -> None:
    """The unknown token stands for every capital letter, and is none of them; nor is what the format is made of."""
    tokens = Tokens(in_context.tokenizer(MIXED))
    name = dict(enumerate(MIXED))
    assert [name[i] for i in tokens.pool("words")] == [" the", " and", " cat"]
    assert [name[i] for i in tokens.pool("letters")] == [" a", " b"]
    assert [name[i] for i in tokens.pool("any")] == MIXED[4:]
    assert tokens.one(" Z") is None and tokens.one("<unk>") is None
    drawn = writer(MIXED, symbols="any").tokens_of("12345678", 1)
    assert not {name[i] for i in drawn.values()} & {" ->", "<s>", "<unk>", "\n"}


@pytest.mark.parametrize(
    ("changed", "symbols", "words"),
    [
        (
            {},
            [f"s{n}" for n in range(27)],
            "there are 27 symbols of t/1, and 26 letters among the tokens of 'models/some'; use",
        ),
        ({"symbols": "own"}, ["jump"], "symbol 'jump' of t/1 is 1 tokens of 'models/some'; use symbols: words"),
        ({"symbols": "own"}, ["->"], "symbol '->' of t/1 is part of the format"),
    ],
)
def test_symbols_without_a_token_are_refused(changed: dict[str, Any], symbols: list[str], words: str) -> None:
    with pytest.raises(UserError) as error:
        writer(**changed).tokens_of(symbols, 1, "t/1")
    assert words in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ({"end": "\n\n"}, "the end '\\n\\n' is 2 tokens of 'models/some'; give an end that is one"),
        ({"between": ""}, "`between` is empty"),
    ],
)
def test_formats_that_cannot_be_told_apart_are_refused(texts: dict[str, str], words: str) -> None:
    own = {"before": "", "between": " ->", "end": "\n", "instruction": ""} | texts
    with pytest.raises(UserError) as error:
        writer(format=own)
    assert words in str(error.value)


def test_a_symbol_that_t_lacks_is_refused() -> None:
    training: Training = cell().training("fpa", 1, 0)
    unknown = replace(training, decodes=(replace(training.decodes[0], sources=((3, 2),)),))
    with pytest.raises(UserError, match="unseen_symbols"):
        writer().prompt(unknown)
