"""Greedy outputs in context, restricted to the task's symbols, of many inputs behind many prompts together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from indoubt.engines.in_context.prompts import Prompt
from indoubt.engines.in_context.reader import Reader

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
