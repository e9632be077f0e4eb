"""Code lengths and greedy outputs of trained models, into the results of their trainings.

Modules keep no state from symbol to symbol, so an output is guessed to go on as it went, and the guess is verified: one
forward pass over a guessed output says what the module gives after each of its symbols. What agrees is accepted, with
the first symbol that does not; so the outputs are those of going symbol by symbol, in a fraction of the passes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from indoubt.data.vocabulary import EOS, PAD, JointVocabulary
from indoubt.engines.backend import TOGETHER
from indoubt.engines.fused.adam import nll
from indoubt.engines.fused.architectures import canonical
from indoubt.engines.fused.batches import make_batch, shape_of
from indoubt.engines.fused.evaluation import groups
from indoubt.engines.modules.inputs import Takes, make_inputs, vocabulary_of
from indoubt.engines.modules.one_by_one import OwnModule
from indoubt.engines.modules.stacked_models import Models, filled_up
from indoubt.training import Decode, Ids, Result, Score, Training

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


@torch.no_grad()
def evaluate(
    trainings: Sequence[Training],
    models: Models | OwnModule,
    takes: Takes,
    results: Sequence[Result],
    together: int,
) -> None:
    """Score and decode what trainings were asked for, into their results; those that diverged are passed over.

    Args:
        models: of the trainings, row by row; more may follow.
        takes: what the models' forward takes.
        together: how many models to evaluate at once. A request shares a batch with requests of its own shape only, so
            that no number depends on the others.
    """
    device = models.device
    rows = [row for row, result in enumerate(results) if result.status == "ok"]
    scores = [(row, score) for row in rows for score in trainings[row].scores]
    shapes = [canonical(shape_of(score.examples), device) for _, score in scores]
    for chosen, group in groups(scores, shapes, together):
        asked = [trainings[row] for row in chosen]
        for row, score, nats in zip(chosen, group, score_blocks(asked, models, chosen, takes, group), strict=False):
            results[row].nats[score.key] = nats
    for row in rows:
        if not all(map(math.isfinite, results[row].nats.values())):
            results[row].status, results[row].nats = "diverged", {}
    for row in rows:
        for request in trainings[row].decodes if results[row].status == "ok" else ():
            outputs = decode(models.alone(row), takes, vocabulary_of(trainings[row]), request)
            results[row].outputs[request.key] = outputs


def score_blocks(
    trainings: Sequence[Training],
    models: Models | OwnModule,
    rows: Sequence[int],
    takes: Takes,
    scores: Sequence[Score],
) -> list[float]:
    """The code length of one block for each of some models, in nats; blocks are padded to one shape."""
    device = models.device
    order = filled_up(range(len(rows)), models.together, device)
    shape = canonical(shape_of(scores[0].examples), device)
    batch = make_batch([scores[each].examples for each in order], device, shape=shape)
    vocabularies = [vocabulary_of(trainings[each]) for each in order]
    inputs = make_inputs(takes, vocabularies, batch.source, batch.source_lengths, batch.previous)
    nats, _ = nll(models.select([rows[each] for each in order]).logits(inputs, None), batch)
    return nats[: len(rows)].tolist()
