"""What is asked of a language model behind a prompt: what outputs cost, and greedy outputs of the task's symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from indoubt.engines.in_context.prompts import Prompt
from indoubt.engines.in_context.reader import Answers, Reader
from indoubt.training import Example


@dataclass(frozen=True)
class ExampleCosts:
    """What each example's output costs, its end included, in nats.

    `within` is over the task's symbols and the end alone, which is the measure; `outside` is what it costs beside to
    say one of these at all, and not another token of the model's. An example whose logits are not finite costs NaN.
    """

    within: list[float]
    outside: list[float]


def score(
    reader: Reader, state: Any, prompts: Sequence[Prompt], passages: Sequence[Sequence[Example]]
) -> list[ExampleCosts]:
    """The costs of passages, each read behind a prompt whose state is the row of the same number.

    Shorter passages are filled up behind their end, which a causal model cannot notice.
    """
    rows = [_Row(prompt, examples) for prompt, examples in zip(prompts, passages, strict=True)]
    longest = max(len(row.ids) for row in rows) - 1  # nothing is asked behind the last token
    ids = torch.tensor([_filled(row.ids, longest, row.end) for row in rows], device=reader.device)
    where = torch.zeros_like(ids, dtype=torch.bool)
    of_example = torch.full_like(ids, -1)
    for number, row in enumerate(rows):
        for time, example in row.scored:
            where[number, time], of_example[number, time] = True, example
    alphabets = torch.tensor([prompt.alphabet for prompt in prompts], device=reader.device)
    answers, _ = reader.answers(state, ids, where, alphabets)
    following = torch.cat([ids[:, 1:], ids.new_tensor([_last(row.ids, longest) for row in rows])[:, None]], 1)
    return _costs(answers, following, of_example, alphabets, [len(each) for each in passages])


class _Row:
    """A passage as tokens, and after which of them the next is scored, with the number of its example."""

    def __init__(self, prompt: Prompt, examples: Sequence[Example]) -> None:
        self.ids: list[int] = []
        self.scored: list[tuple[int, int]] = []
        self.end = prompt.end
        for number, example in enumerate(examples):
            output = prompt.said(example.target)
            self.ids += prompt.asked(example.source)
            self.scored += [(len(self.ids) - 1 + place, number) for place in range(len(output))]
            self.ids += output


def _filled(ids: Sequence[int], length: int, filling: int) -> list[int]:
    return [*ids[:length], *[filling] * (length - len(ids))]


def _last(ids: Sequence[int], length: int) -> int:
    """The token behind the last time, of a row that has one there."""
    return ids[length] if len(ids) > length else ids[-1]


def _costs(
    answers: Answers, following: Tensor, of_example: Tensor, alphabets: Tensor, n_examples: Sequence[int]
) -> list[ExampleCosts]:
    rows, times = answers.places.unbind(1)
    is_next = alphabets[rows] == following[rows, times][:, None]
    of_next = (answers.logits.double() * is_next).sum(1)
    of_alphabet = answers.logits.double().logsumexp(1)
    outside = (answers.whole.double() - of_alphabet).clamp(min=0.0)
    examples = of_example[rows, times]
    sums = torch.zeros(2, len(n_examples), max(n_examples), dtype=torch.double, device=rows.device)
    for each, costs in zip(sums, (of_alphabet - of_next, outside), strict=True):
        each.index_put_((rows, examples), costs, accumulate=True)
    within, beside = sums.tolist()
    return [ExampleCosts(within[row][:n], beside[row][:n]) for row, n in enumerate(n_examples)]


#: What has ended leaves the others once it is this part of them: leaving copies what all others have read.
PART = 8


@dataclass
class Continuation:
    """An input behind a prompt, and its output so far.

    `said` holds tokens, without the end; `outside` counts the places at which the model would have said something that
    is no symbol of the task, of all `places` at which it was asked.
    """

    prompt: Prompt
    asked: list[int]
    min_len: int
    max_len: int
    said: list[int] = field(default_factory=list)
    ended: bool = False
    finite: bool = True
    places: int = 0
    outside: int = 0

    @property
    def read(self) -> int:
        """Tokens that are read of it."""
        return len(self.asked) + len(self.said)

    def token(self, time: int) -> int | None:
        """What is read at a time: of the input, then of the output as far as it goes; nothing behind."""
        if time < len(self.asked):
            return self.asked[time]
        place = time - len(self.asked)
        return self.said[place] if place < len(self.said) else None


@torch.no_grad()
def decode(reader: Reader, state: Any, outputs: Sequence[Continuation]) -> None:
    """Complete outputs, each read behind the row of the same number.

    All rows go through one time after another, those with shorter inputs answering already while others are still
    asked: so rows of all lengths go together without any padding between a prompt and its output.
    """
    rows = list(outputs)
    for output in rows:
        output.ended = output.max_len == 0
    time = 0
    until = min(len(output.asked) for output in rows)  # up to here all are asked
    while not all(output.ended for output in rows):
        ids = torch.tensor([[_read(each, at) for at in range(time, until)] for each in rows], device=reader.device)
        where = torch.zeros_like(ids, dtype=torch.bool)
        where[:, -1] = torch.tensor([not each.ended and until >= len(each.asked) for each in rows])
        alphabets = torch.tensor([each.prompt.alphabet for each in rows], device=reader.device)
        answers, state = reader.answers(state, ids, where, alphabets)
        places, finite = answers.places[:, 0].tolist(), answers.whole.isfinite().tolist()
        logits, outside = answers.logits, answers.outside.tolist()
        for place, row in enumerate(places):
            if len(rows[row].said) < rows[row].min_len:
                logits[place, -1] = -torch.inf
        for row, choice, is_finite, is_outside in zip(places, logits.argmax(1).tolist(), finite, outside, strict=True):
            _take(rows[row], choice, is_finite, is_outside)
        time, until = until, until + 1
        left = [number for number, output in enumerate(rows) if not output.ended]
        if left and (len(rows) - len(left)) * PART >= len(rows):
            rows, state = [rows[number] for number in left], reader.taken(state, left)


def _read(output: Continuation, time: int) -> int:
    """The token that a row reads at a time; a row that has ended reads its end until it leaves."""
    token = output.token(time)
    return output.prompt.end if token is None else token


def _take(output: Continuation, choice: int, finite: bool, outside: bool) -> None:
    """Take the symbol that a model chose."""
    output.places += 1
    output.outside += outside
    if not finite:
        output.finite, output.ended = False, True
    elif choice == len(output.prompt.alphabet) - 1:
        output.ended = True
    else:
        output.said.append(output.prompt.alphabet[choice])
        output.ended = len(output.said) >= output.max_len
