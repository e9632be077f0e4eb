"""What a language model must be able to do to be measured in context, and what it answers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

#: Logits that are held at one time, on the CPU and on a GPU: of 49,152 tokens at 1,365 places, and at 10,923.
LOGITS = {"cpu": 2**26, "cuda": 2**29}
#: Tokens that go through the model together.
TOGETHER = {"cpu": 2**12, "cuda": 2**16}


class Reader(ABC):
    """A frozen causal language model that reads rows of tokens together and says what it expects next.

    Attributes:
        vocabulary: how many logits it gives.
        at_once: rows times tokens of which it can keep what it has read.
        tokens_read: how many it has read so far, padding included.
    """

    vocabulary: int
    at_once: int
    tokens_read = 0
    device = torch.device("cpu")

    @abstractmethod
    def start(self) -> Any:
        """The state of having read nothing."""

    @abstractmethod
    def taken(self, state: Any, rows: Sequence[int]) -> Any:
        """A state of its own with some rows of another, each as often as it is named."""

    @abstractmethod
    def expects(self, state: Any, ids: Tensor, where: Tensor) -> tuple[Tensor, Any]:
        """Read on.

        Args:
            ids: (rows, time) tokens, as many for each row.
            where: (rows, time), behind which of them to say what comes next.

        Returns:
            Logits (places, vocabulary) in the order of rows, then times, and the state after these tokens.
        """

    def read(self, state: Any, ids: Tensor) -> Any:
        """Read tokens on without being asked anything; returns the state after them."""
        return self.answers(state, ids, torch.zeros_like(ids, dtype=torch.bool), ids[:, :1])[1]

    @torch.no_grad()
    def answers(self, state: Any, ids: Tensor, where: Tensor, alphabets: Tensor) -> tuple[Answers, Any]:
        """Read on, some times together, so that neither logits nor what is between them take too much memory.

        Args:
            ids, where: as `expects` takes them.
            alphabets: (rows, symbols and the end) tokens.
        """
        rows, times = ids.shape
        kind = "cuda" if self.device.type == "cuda" else "cpu"
        step = max(min(LOGITS[kind] // self.vocabulary, TOGETHER[kind]) // rows, 1)
        found: list[Answers] = []
        for first in range(0, times, step):
            part, asked = ids[:, first : first + step], where[:, first : first + step]
            logits, state = self.expects(state, part, asked)
            self.tokens_read += part.numel()
            places = asked.nonzero()
            of_rows = alphabets[places[:, 0]]
            found.append(Answers.of(logits, places + torch.tensor([0, first], device=places.device), of_rows))
        return Answers.joined(found), state


@dataclass(frozen=True)
class Answers:
    """What a model expects at some places.

    Attributes:
        places: (places, 2), the row and the time of each.
        logits: (places, symbols and the end), of the alphabet alone.
        whole: (places), logsumexp over the whole vocabulary.
        highest: (places), the highest logit of the whole vocabulary.
    """

    places: Tensor
    logits: Tensor
    whole: Tensor
    highest: Tensor

    @classmethod
    def of(cls, logits: Tensor, places: Tensor, alphabets: Tensor) -> Answers:
        logits = logits.float()
        if not len(logits):
            empty = logits.new_zeros(0)
            return cls(places, logits.new_zeros(0, alphabets.size(1)), empty, empty)
        return cls(places, logits.gather(1, alphabets), logits.logsumexp(1), logits.amax(1))

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    @property
    def outside(self) -> Tensor:
        """(places), whether the model would say something that is no symbol of the task."""
        return self.highest > self.logits.amax(1)
