"""What an update has to compute: a batch's shape, and the operations that a learner spends on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import fmean
from typing import Any

from indoubt.data.literals import Convolution, convolutions_of
from indoubt.data.task import Task

#: Operations, beside those of products, that a score of attention takes: exp, softmax, and the way back.
PER_SCORE = 30
#: An update is a pass forward and one backward, which takes twice as many operations.
PASSES = 3


@dataclass(frozen=True)
class Batch:
    """Examples of a batch, their mean lengths and the longest ones, `</s>` included."""

    examples: int
    source: float
    target: float
    longest_source: int
    longest_target: int

    @property
    def symbols(self) -> int:
        """Symbols, padding included."""
        return self.examples * (self.longest_source + self.longest_target)


@cache
def batch_of(task: Task, size: int, block: int = 0, batch_size: int | None = None) -> Batch:
    """What is trained on once `block` blocks have been sent: T, and of H as much, targets as candidates give them.

    Args:
        batch_size: examples that are drawn for an update; None: all.
    """
    pairs = list(task.training_set(size))
    sources, targets = ([len(pair[side]) + 1 for pair in pairs] for side in (0, 1))
    scored = task.scored_inputs(size) if block else []
    sent = min(block * task.block_size_at(size), len(scored)) if block else 0
    if sent:
        share = sent / len(scored)
        given = [[len(rule(source, size)) + 1 for source in scored] for rule in task.candidates.values()]
        mean_source = (sum(sources) + share * sum(len(source) + 1 for source in scored)) / (len(pairs) + sent)
        mean_target = (sum(targets) + share * fmean(map(sum, given))) / (len(pairs) + sent)
        longest_target = round(fmean(max(*targets, *lengths) for lengths in given))
        longest = max(*sources, *(len(source) + 1 for source in scored)), longest_target
    else:
        mean_source, mean_target, longest = fmean(sources), fmean(targets), (max(sources), max(targets))
    return Batch(batch_size or len(pairs) + sent, mean_source, mean_target, *longest)


@dataclass(frozen=True)
class Work:
    """What an update takes: weights that a recurrence reads at each step anew, operations, weights to be updated."""

    reads: float
    operations: float
    weights: float


def work_of(arguments: dict[str, Any], batch: Batch, padded: bool) -> Work:
    """An update of one of fairseq's learners; of an unknown architecture, as of a CNN.

    Args:
        padded: whether padding is computed on, too.
    """
    arch = str(arguments["arch"])
    sources = batch.examples * (batch.longest_source if padded else batch.source)
    targets = batch.examples * (batch.longest_target if padded else batch.target)
    kind = _transformer if arch.startswith("transformer") else _lstm if arch.startswith("lstm") else _cnn
    return kind(arguments, batch, sources, targets)


def _transformer(a: dict[str, Any], batch: Batch, sources: float, targets: float) -> Work:
    width, (encoders, decoders) = int(a["encoder_embed_dim"]), (int(a[f"{s}_layers"]) for s in ("encoder", "decoder"))
    hidden = [int(a[f"{side}_ffn_embed_dim"]) for side in ("encoder", "decoder")]
    scores = encoders * sources * batch.source, decoders * targets * (batch.target + batch.source)
    of_scores = sum(
        n * (4 * width + PER_SCORE * int(a[f"{side}_attention_heads"]))
        for n, side in zip(scores, ("encoder", "decoder"), strict=True)
    )
    weights = encoders * (4 * width**2 + 2 * width * hidden[0]) + decoders * (8 * width**2 + 2 * width * hidden[1])
    of_sources = 2 * encoders * (4 * width**2 + 2 * width * hidden[0]) + 4 * decoders * width**2
    of_targets = 2 * decoders * (6 * width**2 + 2 * width * hidden[1])
    operations = PASSES * (sources * of_sources + targets * of_targets + of_scores)
    return Work(0.0, operations, weights)


def _lstm(a: dict[str, Any], batch: Batch, sources: float, targets: float) -> Work:
    layers = [int(a.get(f"{side}_layers", 1)) for side in ("encoder", "decoder")]
    inputs, hidden = int(a["encoder_embed_dim"]), int(a["encoder_hidden_size"])
    both = 1 + bool(a.get("encoder_bidirectional"))
    encoder = both * 4 * hidden * (inputs + hidden + (layers[0] - 1) * 2 * hidden)
    decoder = 4 * hidden * (inputs + 2 * hidden + (layers[1] - 1) * 2 * hidden)
    attention = 3 * hidden**2 if str(a.get("decoder_attention")) in ("1", "True") else 0
    of_scores = 4 * hidden * batch.source * targets if attention else 0
    operations = PASSES * (2 * sources * encoder + 2 * targets * (decoder + attention) + of_scores)
    reads = encoder * batch.longest_source + (decoder + attention) * batch.longest_target
    return Work(reads, operations, encoder + decoder + attention)


def _convolutions(text: str) -> list[Convolution]:
    """Layers of a CNN; of what says only how many, or nothing of the kind, as wide as the paper's."""
    try:
        return convolutions_of(text)
    except ValueError:
        return [(512, 3)] * (int(text) if text.isdecimal() else 1)


def _cnn(a: dict[str, Any], batch: Batch, sources: float, targets: float) -> Work:
    width, weights, of_side = int(a.get("encoder_embed_dim", 16)), 0.0, []
    for side in ("encoder", "decoder"):
        layers = _convolutions(str(a.get(f"{side}_layers")))
        own = sum(2 * channels**2 * kernel for channels, kernel, *_ in layers) + 2 * width * layers[0][0]
        of_side.append(own + (2 * len(layers) * width * layers[0][0] if side == "decoder" else 0))
        weights += of_side[-1]
    of_scores = 4 * width * batch.source * targets
    operations = PASSES * (2 * sources * of_side[0] + 2 * targets * of_side[1] + of_scores)
    return Work(0.0, operations, weights)
