"""Code lengths and greedy outputs of trained models, into the results of their trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from indoubt.engines.fused.adam import nll
from indoubt.engines.fused.batches import make_batch, shape_of
from indoubt.engines.fused.capacity import canonical
from indoubt.engines.fused.evaluation import groups
from indoubt.engines.modules.decoding import decode
from indoubt.engines.modules.inputs import Takes, make_inputs, vocabulary_of
from indoubt.engines.modules.models import Models, filled_up
from indoubt.engines.modules.plain import OwnModule
from indoubt.training import Result, Score, Training


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
