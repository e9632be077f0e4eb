"""What a training costs, before it is run: expected seconds on one CPU core.

Counted is what an update has to compute: what a recurrence reads, operations, weights. What each takes was measured on
one core of a common CPU by `benchmarks/rates.py`, which prints the rates for another machine. The expectation
sizes jobs and time limits and says how long is left. Rates that a ledger has measured correct it by a factor in
estimates (`workflow.estimate`), never in job sizes: these must not change from one run to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from statistics import fmean
from typing import Any

from indoubt.data.literals import Convolution, convolutions_of
from indoubt.data.task import Task
from indoubt.engines.registry import ENGINES, Rates
from indoubt.learner import EIGHT, InContextLearner, Learner, LookedAt, TriedOut
from indoubt.workflow.cells import CellPlan
from indoubt.workflow.prompt_lengths import DECODED as DECODED_IN_CONTEXT
from indoubt.workflow.prompt_lengths import PromptLengths

#: Operations, beside those of products, that a score of attention takes: exp, softmax, and the way back.
PER_SCORE = 30
#: An update is a pass forward and one backward, which takes twice as many operations.
PASSES = 3


@dataclass(frozen=True)
class BatchShape:
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
def batch_of(task: Task, size: int, block: int = 0, batch_size: int | None = None) -> BatchShape:
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
        lengths_of_rules = [[len(rule(source, size)) + 1 for source in scored] for rule in task.candidates.values()]
        mean_source = (sum(sources) + share * sum(len(source) + 1 for source in scored)) / (len(pairs) + sent)
        mean_target = (sum(targets) + share * fmean(map(sum, lengths_of_rules))) / (len(pairs) + sent)
        longest_target = round(fmean(max(*targets, *lengths) for lengths in lengths_of_rules))
        longest = max(*sources, *(len(source) + 1 for source in scored)), longest_target
    else:
        mean_source, mean_target, longest = fmean(sources), fmean(targets), (max(sources), max(targets))
    return BatchShape(batch_size or len(pairs) + sent, mean_source, mean_target, *longest)


@dataclass(frozen=True)
class Work:
    """What an update takes: weights that a recurrence reads at each step anew, operations, weights to be updated."""

    reads: float
    operations: float
    weights: float


def work_of(arguments: dict[str, Any], batch: BatchShape, padded: bool) -> Work:
    """An update of one of fairseq's learners; of an unknown architecture, as of a CNN.

    Args:
        padded: whether padding is computed on, too.
    """
    arch = str(arguments["arch"])
    sources = batch.examples * (batch.longest_source if padded else batch.source)
    targets = batch.examples * (batch.longest_target if padded else batch.target)
    kind = _transformer if arch.startswith("transformer") else _lstm if arch.startswith("lstm") else _cnn
    return kind(arguments, batch, sources, targets)


def _transformer(a: dict[str, Any], batch: BatchShape, sources: float, targets: float) -> Work:
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


def _lstm(a: dict[str, Any], batch: BatchShape, sources: float, targets: float) -> Work:
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


def _cnn(a: dict[str, Any], batch: BatchShape, sources: float, targets: float) -> Work:
    width, weights, of_side = int(a.get("encoder_embed_dim", 16)), 0.0, []
    for side in ("encoder", "decoder"):
        layers = _convolutions(str(a.get(f"{side}_layers")))
        own = sum(2 * channels**2 * kernel for channels, kernel, *_ in layers) + 2 * width * layers[0][0]
        of_side.append(own + (2 * len(layers) * width * layers[0][0] if side == "decoder" else 0))
        weights += of_side[-1]
    of_scores = 4 * width * batch.source * targets
    operations = PASSES * (2 * sources * of_side[0] + 2 * targets * of_side[1] + of_scores)
    return Work(0.0, operations, weights)


#: What an architecture of another kind is taken for.
UNKNOWN = Rates(0.05, 0, 2e-11, 0)
#: Sources that are decoded together.
TOGETHER = 128
#: Symbols, `</s>` included, of the example with which modules are timed: T of add-or-mul/5.
TIMED = 17
#: Bytes of a language model's weight.
BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


def kind_of(arguments: dict[str, Any]) -> str | None:
    """The kind of one of fairseq's architectures, if it has rates."""
    return next((kind for kind in ("transformer", "fconv", "lstm") if str(arguments["arch"]).startswith(kind)), None)


def update_seconds(arguments: dict[str, Any], batch: BatchShape, engine: str) -> float:
    """Expected seconds of an update of one of fairseq's learners."""
    kind = kind_of(arguments)
    rates = ENGINES[engine].rates[kind] if kind else UNKNOWN
    work = work_of(arguments, batch, ENGINES[engine].padded)
    return rates.update + rates.read * work.reads + rates.operation * work.operations + rates.weight * work.weights


def module_update_seconds(tried: TriedOut, batch: BatchShape) -> float:
    """The same of a module: in proportion to the longest example, and by how much more eight take than one."""
    longest = batch.longest_source + batch.longest_target
    per_example = (tried.seconds_of_eight - tried.seconds) / (EIGHT - 1)
    return longest / TIMED * (tried.seconds + max(per_example, 0.0) * (batch.examples - 1))


def decoding_seconds(task: Task, size: int, engine: str) -> float:
    """Expected seconds of decoding all test inputs."""
    together = -(-len(task.test_inputs(size)) // TOGETHER)
    return together * ENGINES[engine].decoded * batch_of(task, size, 1).longest_target


def memory_mb(engine: str, on_gpu: bool, n_trainings: int, symbols: int = 0, weights: int = 0) -> int:
    """Memory that a job asks for, in MB, whose batches have so many symbols; with a GPU that of its machine, which CUDA
    and saved states need.

    On the CPU jobs of the smoke preset peak at 260 to 730 MB: models are trained one after another, or few at once. On
    a GPU `fused` trains up to a thousand at once, and saves the weights of all, 16 MB for the largest of the paper's.
    A module of so many `weights` is trained with as many gradients and twice as many moments, of 4 bytes each.
    """
    of_module = 20 * weights // 1_000_000
    if not on_gpu:
        return 2000 + of_module + round(ENGINES[engine].mb_per_symbol * symbols)
    return 4000 + (20 * min(n_trainings, 1024) if ENGINES[engine].together else 0) + of_module


def language_model_mb(model: LookedAt, dtype: str, on_gpu: bool) -> int:
    """Memory that a job asks for which reads a language model, in MB: its weights, what is kept of what it has read,
    and logits; where they are on a GPU, the weights while they are loaded.
    """
    weights = model.weights * BYTES[dtype] // 1_000_000
    return 4000 + weights + weights // 10 if on_gpu else 4000 + weights + weights // 2


@dataclass(frozen=True)
class Costs:
    """What the trainings of some cells are expected to cost; `engines`, `tried` and `models` are by learner."""

    tasks: Mapping[str, Task]
    learners: Mapping[str, Learner]
    engines: Mapping[str, str]
    tried: Mapping[str, TriedOut]
    models: Mapping[str, LookedAt] = field(default_factory=dict)
    _known: dict[tuple[str, int], float] = field(default_factory=dict, repr=False, compare=False)

    def training_seconds(self, cell: CellPlan, block: int, decoded: bool = False) -> float:
        """Expected seconds of one training, on what has been sent up to a block."""
        if (cell.folder, block) not in self._known:  # asked for by every job of a cell, several times
            self._known[cell.folder, block] = self._training_seconds(cell, block)
        return self._known[cell.folder, block] + (self.decoding_seconds(cell) if decoded else 0.0)

    def _training_seconds(self, cell: CellPlan, block: int) -> float:
        learner = self.learners[cell.learner]
        if isinstance(learner, InContextLearner):
            return self._reading_seconds(cell, block)
        batch = self.batch(cell, block)
        if cell.learner in self.tried:
            update = module_update_seconds(self.tried[cell.learner], batch)
        else:
            update = update_seconds(learner.arguments, batch, self.engines[cell.learner])
        return learner.updates * update

    def trained_seconds(self, cell: CellPlan, block: int, updates: int) -> float:
        """The same of one that was updated so often, without decoding."""
        whole = self.learners[cell.learner].updates
        return self.training_seconds(cell, block) * (updates / whole if whole else 1.0)

    def tokens(self, cell: CellPlan) -> PromptLengths | None:
        """What a language model reads in a cell; None where nothing is known of it, or it is another learner's cell."""
        learner, model = self.learners[cell.learner], self.models.get(cell.learner)
        if not isinstance(learner, InContextLearner) or model is None:
            return None
        return PromptLengths(self.tasks[cell.task], cell.size, learner, model)

    def _reading_seconds(self, cell: CellPlan, block: int) -> float:
        """Expected seconds of reading T, and, of the next block, what it costs."""
        tokens = self.tokens(cell)
        if tokens is None:
            return 0.0
        return tokens.model.seconds * tokens.block(block + 1) + (tokens.seconds_before if block == 0 else 0.0)

    def decoding_seconds(self, cell: CellPlan) -> float:
        """Expected seconds of decoding all test inputs."""
        if isinstance(self.learners[cell.learner], InContextLearner):
            tokens = self.tokens(cell)
            return 0.0 if tokens is None else DECODED_IN_CONTEXT * tokens.model.seconds * tokens.decoded
        return decoding_seconds(self.tasks[cell.task], cell.size, self.engines[cell.learner])

    def batch(self, cell: CellPlan, block: int) -> BatchShape:
        """What an update goes through."""
        return batch_of(self.tasks[cell.task], cell.size, block, self.learners[cell.learner].batch_size)
