"""A whole training, dropout included: with the released masks the fused Transformer gives the reference's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from side_by_side import CPU, OPTIMISATION
from torch import Tensor

from indoubt.data.binary import binarize, load_dataset
from indoubt.data.datasets import write_dataset
from indoubt.data.task import load_tasks
from indoubt.engines.fairseq import engine as reference
from indoubt.engines.fairseq import models
from indoubt.engines.fairseq.models import dictionary_of
from indoubt.engines.fused.batches import shape_of
from indoubt.engines.fused.evaluation import score_blocks
from indoubt.engines.fused.lockstep import FusedLockstep
from indoubt.learners.fairseq_definitions import resolve
from indoubt.training import Example, Protocol, Score, Training

TRANSFORMER: dict[str, Any] = {"arch": "transformer"}
for _side in ("encoder", "decoder"):
    TRANSFORMER |= {f"{_side}_embed_dim": 16, f"{_side}_ffn_embed_dim": 512, f"{_side}_layers": 1}
    TRANSFORMER |= {f"{_side}_attention_heads": 8}
UPDATES = 200


class Recorded:
    """Masks as one update after another used them, in the place of the counter-based ones."""

    def __init__(self, updates: Sequence[dict[str, Tensor]]) -> None:
        self.updates = updates

    def draw(self, update: Tensor) -> dict[str, Tensor]:
        return self.updates[int(update)]


def record(training: Training, monkeypatch: pytest.MonkeyPatch) -> tuple[float, list[list[Tensor]]]:
    """The reference's score, and the masks of each update in fairseq's order."""
    masks: list[list[Tensor]] = []
    dropout, seeded = F.dropout, reference.released_stream

    def recording(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0:
            return x
        mask = dropout(torch.ones_like(x), p, True)
        masks[-1].append(mask.detach())
        return x * mask

    with monkeypatch.context() as patch:
        patch.setattr(F, "dropout", recording)
        patch.setattr(reference, "released_stream", lambda seed, update: (masks.append([]), seeded(seed, update)))
        (result,) = reference.train_chain([training], CPU)
    return result.nats[training.scores[0].key], masks


def fused_masks(training: Training, recorded: list[Tensor]) -> dict[str, Tensor]:
    """One update's masks in the fused learner's layout: rows by source length, sources padded on the right."""
    examples: Sequence[Example] = training.examples
    order = models.make_batch(examples, dictionary_of(training.source_symbols), CPU)["id"].tolist()
    by_length = sorted(range(len(examples)), key=lambda place: -len(examples[place].source))
    rows = [order.index(place) for place in by_length]
    longest = shape_of(examples).source
    masks = {}
    names = ["encoder in", "encoder.layers.0.self_attn", "encoder.layers.0.fc2", "decoder in"]
    names += [f"decoder.layers.0.{part}" for part in ("self_attn", "encoder_attn", "fc2")]
    for name, mask in zip(names, recorded, strict=True):
        by_row = (mask if name.endswith(" in") else mask.transpose(0, 1))[rows].clone()
        if name.startswith("encoder"):
            for row, place in enumerate(by_length):
                by_row[row] = by_row[row].roll(len(examples[place].source) - longest, 0)
        masks[name] = by_row[None]
    return masks


@pytest.mark.parametrize(("task", "size", "candidate"), [("add-or-mul", 5, "mul"), ("hierar-or-linear", 4, "linear")])
@pytest.mark.parametrize("block", [0, 2])
def test_200_updates_with_the_released_masks(
    task: str, size: int, candidate: str, block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = load_tasks()[task]
    write_dataset(definition, size, candidate, tmp_path / "text")
    binarize(tmp_path / "text", tmp_path / "binary")
    data = load_dataset(tmp_path / "binary")
    n, step = len(definition.training_inputs(size)), definition.block_size
    ends = [0, *range(n, len(data.examples) + 1, step)]
    blocks = [data.examples[start:end] for start, end in pairwise(ends)]
    learner = resolve(TRANSFORMER | OPTIMISATION, UPDATES, None)
    released = Training(
        learner,
        Protocol(rng_streams="released"),
        1,
        data.source_vocabulary.symbols,
        data.target_vocabulary.symbols,
        tuple(blocks[: block + 1]),
        None,
        (Score(blocks[block + 1]),),
    )
    theirs, recorded = record(released, monkeypatch)
    independent = replace(released, protocol=Protocol())
    monkeypatch.setattr(
        "indoubt.engines.fused.lockstep.in_c", lambda *about: False
    )  # it is torch that takes given masks
    lockstep = FusedLockstep([independent], shape_of(independent.examples), CPU, 0)
    own_masks = lockstep._masks
    lockstep._masks = Recorded([fused_masks(independent, masks) for masks in recorded])  # type: ignore[assignment]
    while not lockstep.finished:
        lockstep.update()
    (ours,) = score_blocks(learner, lockstep.weights, list(independent.scores))
    assert ours == pytest.approx(theirs, rel=1e-3)
    # and the masks do matter: with others the number is another
    others = FusedLockstep([independent], shape_of(independent.examples), CPU, 0)
    assert own_masks.draw(torch.tensor(0)).keys() == lockstep._masks.draw(torch.tensor(0)).keys()
    while not others.finished:
        others.update()
    assert score_blocks(learner, others.weights, list(independent.scores))[0] != pytest.approx(theirs, rel=1e-3)
