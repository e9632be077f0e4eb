"""What is asked behind one prompt: the examples of the hold-out that are scored, and the inputs that are answered.

A frozen model reads on and knows nothing of what comes later. So one pass over all of a seed's blocks gives what a pass
for each would; and T, which all candidates and inputs have before them, is read once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from indoubt.engines.in_context.prompts import Prompt, Writer
from indoubt.training import Decode, Example, Training


@dataclass(frozen=True)
class ScoredBlock:
    """Examples of a passage whose outputs are scored: from `first` up to `end`, for the training of this key."""

    training: str
    score: str
    first: int
    end: int


@dataclass
class Passage:
    """Examples behind a prompt, in the order in which they are sent, and the blocks that are scored."""

    examples: tuple[Example, ...]
    blocks: list[ScoredBlock] = field(default_factory=list)


@dataclass
class Reading:
    """A prompt, the passages that are read behind it, each by itself, and what is decoded behind it."""

    seed: int
    prompt: Prompt
    passages: list[Passage] = field(default_factory=list)
    decodes: list[tuple[str, Decode]] = field(default_factory=list)

    @property
    def asked(self) -> int:
        """How many scores and decodings it gives."""
        return len(self.trainings)

    @property
    def trainings(self) -> list[str]:
        """The keys of the trainings that its scores and decodings are asked of, one for each of them."""
        blocks = [block.training for passage in self.passages for block in passage.blocks]
        return blocks + [training for training, _ in self.decodes]

    @property
    def longest(self) -> int:
        """Tokens of the prompt with the longest passage behind it."""
        passages = (sum(len(self.prompt.example(each)) for each in passage.examples) for passage in self.passages)
        return len(self.prompt.start) + max(passages, default=0)


def readings(trainings: Iterable[Training], writer: Writer) -> list[Reading]:
    """All that is asked of some trainings, by the prompts that it is read behind, the longest first."""
    found: dict[tuple[int, Prompt], Reading] = {}
    scored: Mapping[tuple[int, Prompt], dict[tuple[Example, ...], list[ScoredBlock]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for training in trainings:
        prompt = writer.prompt(training)
        sent = training.examples[len(training.blocks[0]) :]
        if training.scores:
            found.setdefault((training.seed, prompt), Reading(training.seed, prompt))
        for score in training.scores:
            block = ScoredBlock(training.key, score.key, len(sent), len(sent) + len(score.examples))
            scored[training.seed, prompt][*sent, *score.examples].append(block)
        for decode in training.decodes:
            behind = prompt.after(sent)
            reading = found.setdefault((training.seed, behind), Reading(training.seed, behind))
            reading.decodes.append((training.key, decode))
    for place, blocks_of in scored.items():
        found[place].passages = _passages(blocks_of)
    return sorted(found.values(), key=lambda reading: -len(reading.prompt.start))


def _passages(blocks_of: Mapping[tuple[Example, ...], list[ScoredBlock]]) -> list[Passage]:
    """Passages, the longest first: what another one begins with is read there."""
    passages: list[Passage] = []
    for examples, blocks in sorted(blocks_of.items(), key=lambda pair: -len(pair[0])):
        longer = next((each for each in passages if each.examples[: len(examples)] == examples), None)
        if longer is None:
            longer = Passage(examples)
            passages.append(longer)
        longer.blocks += blocks
    return passages
