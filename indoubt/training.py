"""The unit of work: one training, what is asked of it, and its result.

A training is identified by its encoded content (dictionaries, examples as ids, learner, protocol, seed, block), never
by the name of a dataset: T, which all candidates share, is therefore trained once.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from indoubt.learner import InContextLearner, Learner

#: Symbol ids of one side of an example; the last one is `</s>`.
Ids = tuple[int, ...]


@dataclass(frozen=True)
class Example:
    """One example, as ids of its dataset's dictionaries."""

    source: Ids
    target: Ids


@dataclass(frozen=True)
class Protocol:
    """How trainings are done where the paper and its released code differ.

    `adam_state`: `fresh` (each training starts its own Adam) or `carried` (Adam's moments live on from block to block).
    `rng_streams`: `independent` (a random stream per training and update) or `released` (seed + update).
    `min_len`: the least number of symbols that decoding gives, 0 or (as released) 1.
    """

    adam_state: Literal["fresh", "carried"] = "fresh"
    rng_streams: Literal["independent", "released"] = "independent"
    min_len: int = 0


def is_chained(learner: Learner, protocol: Protocol) -> bool:
    """Whether the training on a block depends on the trainings before it, so that a seed's blocks form a chain.

    It does where Adam lives on, and where the released streams are those of Python's one generator: with batches drawn
    by chance, and with layer dropout. Of a model that is read in context nothing is trained, so nothing is carried on.
    """
    if isinstance(learner, InContextLearner):
        return False
    drawn = learner.batch_size or any(learner.arguments.get(f"{side}_layerdrop") for side in ("encoder", "decoder"))
    return protocol.adam_state == "carried" or (protocol.rng_streams == "released" and bool(drawn))


@dataclass(frozen=True)
class Score:
    """Ask for the code length of some examples (a block) under the learner after `at` updates; None: at the end."""

    examples: tuple[Example, ...]
    at: int | None = None

    @cached_property
    def key(self) -> str:
        content = [asdict(example) for example in self.examples]
        return digest(content if self.at is None else [content, self.at])


@dataclass(frozen=True)
class Decode:
    """Ask for the outputs that the learner gives greedily for some sources after `at` updates; None: at the end."""

    sources: tuple[Ids, ...]
    min_len: int
    max_len: int = 200
    at: int | None = None

    @cached_property
    def key(self) -> str:
        content = [self.sources, self.min_len, self.max_len]
        return digest(content if self.at is None else [*content, self.at])


@dataclass(frozen=True)
class Training:
    """Train from scratch on blocks 0..`block`, then score and decode what is asked for.

    `blocks` holds those blocks' examples in the order in which they are sent. `chain` is None where trainings are
    independent; where Adam or the random stream is carried from block to block it holds what else decides the result:
    the number of hold-out examples and the digest of the dataset. `beside` holds scores that nobody has asked for yet:
    a training gives them too, at its end, and a result that lacks them is whole. `start` is the training whose weights
    it goes on from, if there is one, by the same vocabularies, and `weights` the file that holds them, which has no
    part in its identity.
    """

    learner: Learner
    protocol: Protocol
    seed: int
    source_symbols: tuple[str, ...]
    target_symbols: tuple[str, ...]
    blocks: tuple[tuple[Example, ...], ...]
    chain: tuple[int, str] | None = None
    scores: tuple[Score, ...] = ()
    decodes: tuple[Decode, ...] = ()
    beside: tuple[Score, ...] = ()
    start: Training | None = None
    weights: Path | None = None

    @property
    def block(self) -> int:
        """The last block that is trained on; 0 is T."""
        return len(self.blocks) - 1

    @cached_property
    def milestones(self) -> tuple[int, ...]:
        """The updates, beside the end, after which something is asked of the training."""
        updates = [score.at for score in self.scores] + [decode.at for decode in self.decodes]
        return tuple(sorted({update for update in updates if update is not None}))

    def at(self, update: int | None) -> Training:
        """The training with what is asked of it after so many updates; None: at its end."""
        scores = tuple(score for score in self.scores if score.at == update)
        decodes = tuple(each for each in self.decodes if each.at == update)
        return replace(self, scores=scores, decodes=decodes, beside=())

    def asked_beside(self) -> Training:
        """The training with what it is to give beside, and nothing else."""
        return replace(self, scores=self.beside, decodes=(), beside=())

    @property
    def examples(self) -> tuple[Example, ...]:
        """All examples sent so far, in the order of sending."""
        return tuple(example for block in self.blocks for example in block)

    @cached_property
    def key(self) -> str:
        """The identity of the training; what is asked of it afterwards has no part in it."""
        content: dict[str, Any] = {
            "learner": self.learner.content,
            "adam_state": self.protocol.adam_state,
            "rng_streams": self.protocol.rng_streams,
            "seed": self.seed,
            "source_symbols": self.source_symbols,
            "target_symbols": self.target_symbols,
            "block": self.block,
            "examples": [[e.source, e.target] for e in self.examples],
        }
        if self.learner.batch_size and self.learner.engine == "modules":
            # Engine `modules` once drew its batches by a stream of its own: those were other trainings.
            content["drawn"] = "as by every engine"
        if self.start is not None:
            content["start"] = self.start.key
        if self.chain:
            content |= {"chain": self.chain, "blocks": [len(block) for block in self.blocks]}
        return digest(content)


@dataclass
class Result:
    """What a training gave.

    `nats` maps the key of each score asked for, and of those given beside, to the summed negative log-likelihood of its
    targets, `</s>` included; `outputs` maps the key of each decoding to the ids of each source's output, without
    `</s>`. `status` is `ok` or `diverged` (a NaN or infinity in loss or weights; no scores or outputs then). `seconds`
    is the time that training, scoring and decoding took, `looking` the part of it that went to milestones, `updates`
    how many updates were done.
    `outside`, of language models that are read in context alone, is what it costs beside the nats of a score to say
    symbols of the task at all, in nats, and of a decoding the share of places at which they would have said others.
    """

    key: str
    status: Literal["ok", "diverged"]
    seconds: float
    updates: int
    nats: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, list[list[int]]] = field(default_factory=dict)
    device: str = ""
    engine: str = ""
    torch: str = ""
    host: str = ""
    looking: float = 0.0
    outside: dict[str, float] = field(default_factory=dict)

    def has_all(self, training: Training) -> bool:
        """Whether all is there that is asked of the training, which gives nothing if it diverged."""
        scores = all(score.key in self.nats for score in training.scores)
        return self.status == "diverged" or (scores and all(each.key in self.outputs for each in training.decodes))


@dataclass
class Seen:
    """What an unfinished training has given at its milestones: `nats` and `outputs` as in a result, and the seconds."""

    nats: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, list[list[int]]] = field(default_factory=dict)
    seconds: float = 0.0

    def add(self, asked: Training, result: Result, seconds: float) -> None:
        """Note what was asked at a milestone; where the loss is not finite, an infinite code and empty outputs."""
        self.nats |= {score.key: result.nats.get(score.key, math.inf) for score in asked.scores}
        for decode in asked.decodes:
            self.outputs[decode.key] = result.outputs.get(decode.key, [[] for _ in decode.sources])
        self.seconds += seconds

    def has_all(self, training: Training, done: int) -> bool:
        """Whether all is there that is asked at the milestones that a training has passed after `done` updates."""
        scores = all(score.key in self.nats for score in training.scores if (score.at or math.inf) <= done)
        return scores and all(each.key in self.outputs for each in training.decodes if (each.at or math.inf) <= done)

    def into(self, result: Result) -> None:
        """Put it into the result of the finished training, unless that diverged."""
        result.looking = self.seconds
        if result.status == "ok":
            result.nats |= self.nats
            result.outputs |= self.outputs


def digest(content: Any) -> str:
    """A hash of some content made of dicts, lists, strings and numbers: 32 hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
