"""What a learner has learned before T, as trainings: each goes on from the one before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from indoubt.data.datasets import Dataset
from indoubt.data.starts import Start, joined, rename_all
from indoubt.data.vocabulary import Vocabulary
from indoubt.learner import Learner
from indoubt.training import Decode, Example, Ids, Protocol, Result, Training

#: Of a start's examples so many are decoded at most, evenly spaced, to see whether it was learned.
ASKED_OF_STARTS = 200


@dataclass(frozen=True)
class Before:
    """What a learner has learned before T: for each stage its dataset and the learner as it is trained on it."""

    stages: tuple[tuple[Dataset, Learner], ...]
    rename: bool = False
    _trainings: dict[tuple[object, ...], Training] = field(default_factory=dict, init=False, repr=False)

    def joint(self, data: Dataset) -> Dataset:
        """A measured dataset in one vocabulary with all stages."""
        source = joined([each.source_vocabulary for each, _ in self.stages], data.source_vocabulary, self.rename)
        target = joined([each.target_vocabulary for each, _ in self.stages], data.target_vocabulary, self.rename)
        return _in_vocabularies(data, source, target, rename=False)

    def training(self, seed: int, protocol: Protocol, data: Dataset) -> Training:
        """The last stage's training, for a dataset of a joint vocabulary; each goes on from the one before."""
        sides = data.source_vocabulary, data.target_vocabulary
        known = (seed, sides[0].symbols, sides[1].symbols)
        if known not in self._trainings:
            last: Training | None = None
            for dataset, learner in self.stages:
                examples = _in_vocabularies(dataset, *sides, rename=self.rename).examples
                sources = list(dict.fromkeys(example.source for example in examples))
                sample = tuple(sources[:: -(-len(sources) // ASKED_OF_STARTS)])
                last = Training(
                    learner,
                    protocol,
                    seed,
                    sides[0].symbols,
                    sides[1].symbols,
                    (examples,),
                    decodes=(Decode(sample, protocol.min_len),),
                    start=last,
                )
            assert last is not None
            self._trainings[known] = last
        return self._trainings[known]


def before_of(start: Start, datasets: Sequence[Dataset], learner: Learner) -> Before:
    """What a learner has learned before, for the datasets of its start's stages; their batch size is its own, if they
    have none.
    """
    stages = [
        (data, replace(learner, updates=stage.updates, batch_size=stage.batch_size or learner.batch_size))
        for stage, data in zip(start.stages, datasets, strict=True)
    ]
    return Before(tuple(stages), start.rename)


def _in_vocabularies(data: Dataset, source: Vocabulary, target: Vocabulary, rename: bool) -> Dataset:
    """A dataset with the ids of other vocabularies, which have its symbols, or those of its symbols renamed."""

    def read(ids: Ids, side: Vocabulary, other: Vocabulary) -> Ids:
        return other.encode(rename_all(side.decode(ids), rename))

    sources, targets = data.source_vocabulary, data.target_vocabulary
    return Dataset(
        source,
        target,
        tuple(Example(read(e.source, sources, source), read(e.target, targets, target)) for e in data.examples),
        tuple(read(each, sources, source) for each in data.test_sources),
    )


def fits(training: Training, result: Result) -> bool | None:
    """Whether a start has been learned: what was decoded of its examples is their outputs. None: it diverged."""
    if result.status == "diverged":
        return None
    (decode,) = training.decodes
    outputs = {example.source: example.target[:-1] for example in training.examples}
    answers = result.outputs[decode.key]
    return all(tuple(output) == outputs[source] for source, output in zip(decode.sources, answers, strict=True))


def with_starts(chains_of_trainings: Iterable[Sequence[Training]]) -> list[Training]:
    """Some trainings after all that they go on from, each once, what comes first before what goes on from it."""
    trainings: dict[str, Training] = {}
    for training in (each for chain in chains_of_trainings for each in chain):
        line = [training]
        while (start := line[-1].start) is not None:
            line.append(start)
        for each in reversed(line):
            trainings.setdefault(each.key, each)
    return list(trainings.values())


def starts_of(wanted: Iterable[Sequence[Training]]) -> list[Training]:
    """What some trainings go on from, and are not among themselves."""
    own = {each.key for chain in wanted for each in chain}
    return [training for training in with_starts(wanted) if training.key not in own]
