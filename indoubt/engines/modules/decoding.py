"""Greedy decoding of modules that keep no state: an output is guessed to go on as it went, and the guess is verified.

One forward pass over a guessed output says what the module gives after each of its symbols. What agrees is accepted,
with the first symbol that does not; so the outputs are those of going symbol by symbol, in a fraction of the passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from indoubt.data.vocabulary import EOS, PAD, JointVocabulary
from indoubt.engines.fairseq.models import TOGETHER
from indoubt.engines.modules.inputs import Takes, make_inputs
from indoubt.engines.modules.models import Models
from indoubt.engines.modules.plain import OwnModule
from indoubt.training import Decode, Ids

#: How many of an output's last symbols are looked for earlier in it, and the least number of symbols that is guessed.
CONTEXT, LEAST_GUESS = 8, 4


@dataclass
class Output:
    """The output of one source so far."""

    source: Ids
    ended: bool = False
    symbols: list[int] = field(default_factory=list)

    def guessed(self, longest: int) -> list[int]:
        """How it may go on: as it went on when its last symbols came before, for as long again as it is."""
        symbols = self.symbols
        if not symbols:
            return []
        count = min(max(LEAST_GUESS, len(symbols)), longest - 1 - len(symbols))
        period = 1
        for n in range(min(CONTEXT, len(symbols) - 1), 0, -1):
            earlier = (k for k in range(1, len(symbols) - n + 1) if symbols[-n - k : -k] == symbols[-n:])
            found = next(earlier, None)
            if found is not None:
                period = found
                break
        return [symbols[-period + i % period] for i in range(count)]

    def accept(self, guess: Sequence[int], given: Sequence[int], longest: int) -> None:
        """Take what the module gave after each prefix of a guess, up to where it gave something else."""
        agreed = 0
        while agreed < len(guess) and given[agreed] == guess[agreed]:
            agreed += 1
        new = list(given[: agreed + 1])
        if EOS in new:
            new, self.ended = new[: new.index(EOS)], True
        self.symbols += new
        self.ended = self.ended or len(self.symbols) >= longest


@torch.no_grad()
def decode(model: Models | OwnModule, takes: Takes, vocabulary: JointVocabulary, asked: Decode) -> list[list[int]]:
    """For each source the most likely symbols, one after another, without `</s>`; `TOGETHER` sources in a batch.

    Padding is never chosen, `</s>` not before `min_len` symbols. (fairseq/sequence_generator.py with beam 1)

    Args:
        model: one, for each goes its own way; so its batches, and with them its bits, know of no other.
    """
    outputs = [Output(source, asked.max_len == 0) for source in asked.sources]
    for start in range(0, len(outputs), TOGETHER):
        _complete(outputs[start : start + TOGETHER], model, takes, vocabulary, asked)
    return [output.symbols for output in outputs]


def _complete(
    outputs: Sequence[Output], model: Models | OwnModule, takes: Takes, vocabulary: JointVocabulary, asked: Decode
) -> None:
    """Decode the sources of one batch."""
    device = model.device
    while waiting := [output for output in outputs if not output.ended]:
        guesses = [output.guessed(asked.max_len) for output in waiting]
        prefixes = [(EOS, *output.symbols, *guess) for output, guess in zip(waiting, guesses, strict=True)]
        source, previous = (_padded(rows)[None].to(device) for rows in ([o.source for o in waiting], prefixes))
        lengths = torch.tensor([[len(output.source) for output in waiting]], device=device)
        logits = model.logits(make_inputs(takes, [vocabulary], source, lengths, previous), None)[0]
        logits[..., PAD] = -torch.inf
        logits[:, : asked.min_len, EOS] = -torch.inf
        for output, guess, given in zip(waiting, guesses, logits.argmax(-1).tolist(), strict=True):
            output.accept(guess, given[len(output.symbols) :], asked.max_len)


def _padded(rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """(rows, time) ids, padded on the right to an even number of times."""
    longest = max(map(len, rows))
    ids = torch.full((len(rows), longest + longest % 2), PAD)
    for row, each in zip(ids, rows, strict=True):
        row[: len(each)] = torch.tensor(each)
    return ids
