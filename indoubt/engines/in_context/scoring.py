"""Code lengths in context: what the outputs of examples cost, read in one pass behind a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
            said = prompt.said(example.target)
            self.ids += prompt.asked(example.source)
            self.scored += [(len(self.ids) - 1 + place, number) for place in range(len(said))]
            self.ids += said


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
    given = (answers.logits.double() * is_next).sum(1)
    of_alphabet = answers.logits.double().logsumexp(1)
    outside = (answers.whole.double() - of_alphabet).clamp(min=0.0)
    examples = of_example[rows, times]
    sums = torch.zeros(2, len(n_examples), max(n_examples), dtype=torch.double, device=rows.device)
    for each, costs in zip(sums, (of_alphabet - given, outside), strict=True):
        each.index_put_((rows, examples), costs, accumulate=True)
    within, beside = sums.tolist()
    return [ExampleCosts(within[row][:n], beside[row][:n]) for row, n in enumerate(n_examples)]
