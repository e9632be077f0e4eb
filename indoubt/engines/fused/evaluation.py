"""Code lengths and greedy outputs of many trained models at once."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import torch

from indoubt.data.vocabulary import EOS, PAD
from indoubt.engines.backend import TOGETHER
from indoubt.engines.fused.adam import nll
from indoubt.engines.fused.architectures import ARCHITECTURES
from indoubt.engines.fused.batches import make_batch, shape_of, source_batch
from indoubt.engines.fused.parameters import Gradients, Parameters
from indoubt.learner import Learner
from indoubt.training import Decode, Ids, Result, Score, Training

Request = TypeVar("Request")


@torch.no_grad()
def evaluate(trainings: Sequence[Training], weights: Parameters, results: Sequence[Result], together: int) -> None:
    """Score and decode what trainings were asked for, into their results; those that diverged are passed over.

    Args:
        weights: of the trainings, row by row.
        together: how many models to evaluate at once. A request shares a batch with requests of its own shape only, so
            that no number depends on the others.
    """
    learner = trainings[0].learner
    rows = [row for row, result in enumerate(results) if result.status == "ok"]
    scores = [(row, score) for row in rows for score in trainings[row].scores]
    for chosen, group in groups(scores, [shape_of(score.examples) for _, score in scores], together):
        nats = score_blocks(learner, weights.select(chosen), group)
        for row, score, each in zip(chosen, group, nats, strict=True):
            results[row].nats[score.key] = each
    for row in rows:
        if not all(map(math.isfinite, results[row].nats.values())):
            results[row].status, results[row].nats = "diverged", {}
    decodes = [(row, decode) for row in rows if results[row].status == "ok" for decode in trainings[row].decodes]
    for row, decode in decodes:
        results[row].outputs[decode.key] = [[] for _ in decode.sources]
    pieces = [(row, piece) for row, decode in decodes for piece in _pieces(decode)]
    shapes = [(len(p.sources), max(map(len, p.sources)), p.decode.min_len, p.decode.max_len) for _, p in pieces]
    for chosen, alike in groups(pieces, shapes, together):
        parts = [replace(piece.decode, sources=piece.sources) for piece in alike]
        outputs = decode_sources(learner, weights.select(chosen), parts)
        for row, piece, output in zip(chosen, alike, outputs, strict=True):
            results[row].outputs[piece.decode.key][piece.start : piece.start + len(output)] = output


@dataclass(frozen=True)
class _Piece:
    """The sources of a request that are decoded together, from the place `start` on."""

    decode: Decode
    start: int

    @property
    def sources(self) -> tuple[Ids, ...]:
        return self.decode.sources[self.start : self.start + TOGETHER]


def _pieces(decode: Decode) -> list[_Piece]:
    """A request in pieces, as the reference engine cuts it."""
    return [_Piece(decode, start) for start in range(0, len(decode.sources), TOGETHER)]


def score_blocks(learner: Learner, weights: Parameters, scores: Sequence[Score]) -> list[float]:
    """The code length of one block per model, in nats."""
    batch = make_batch([score.examples for score in scores], weights.flat.device, weights.flat.dtype)
    fused = ARCHITECTURES[learner.arguments["arch"]](learner, weights, Gradients(weights), batch)
    nats, _ = nll(fused.forward({}), batch)
    return nats.tolist()


def decode_sources(learner: Learner, weights: Parameters, decodes: Sequence[Decode]) -> list[list[list[int]]]:
    """For each model and source the most likely symbols, one after another, without `</s>`.

    All requests have as many sources, and the same least and largest number of symbols.
    (fairseq/sequence_generator.py with beam 1: padding is never chosen, `</s>` not before `min_len` symbols.)
    """
    least = decodes[0].min_len
    longest = min(decodes[0].max_len, _positions(learner) - 1)
    batch = source_batch([decode.sources for decode in decodes], weights.flat.device, weights.flat.dtype)
    fused = ARCHITECTURES[learner.arguments["arch"]](learner, weights, Gradients(weights), batch)
    fused.start_decoding(longest)
    ids = torch.full(batch.source.shape[:2], EOS, device=batch.source.device)
    ended = torch.zeros_like(ids, dtype=torch.bool)
    columns = []
    for t in range(longest):
        logits = fused.decode(ids, t)
        logits[..., PAD] = -torch.inf
        if t < least:
            logits[..., EOS] = -torch.inf
        ids = logits.argmax(-1).where(~ended, EOS)
        ended = ended | (ids == EOS)
        columns.append(ids)
        if bool(ended.all()):
            break
    symbols = torch.stack(columns, -1).tolist() if columns else [[[]] * ids.size(1)] * ids.size(0)
    return [_in_order(model, places) for model, places in zip(symbols, batch.places, strict=True)]


def _in_order(rows: list[list[int]], places: list[int]) -> list[list[int]]:
    """One model's outputs up to `</s>`, in the order in which their sources were given."""
    outputs: list[list[int]] = [[] for _ in rows]
    for row, place in zip(rows, places, strict=True):
        outputs[place] = row[: row.index(EOS)] if EOS in row else row
    return outputs


def _positions(learner: Learner) -> int:
    """How many symbols, `</s>` included, a decoder can give."""
    limit = int(learner.arguments["max_target_positions"])
    if learner.arguments["arch"] == "fconv":
        return limit - PAD - 1  # of its table of positions, the first belong to padding
    return limit if learner.arguments["arch"] == "transformer" else int(1e5)


def groups(
    requests: Sequence[tuple[int, Request]], shapes: Sequence[Hashable], together: int
) -> Iterator[tuple[list[int], list[Request]]]:
    """Rows and requests of one shape each, at most `together` at a time."""
    alike: dict[Hashable, list[tuple[int, Request]]] = defaultdict(list)
    for request, shape in zip(requests, shapes, strict=True):
        alike[shape].append(request)
    for group in alike.values():
        for start in range(0, len(group), together):
            part = group[start : start + together]
            yield [row for row, _ in part], [request for _, request in part]
