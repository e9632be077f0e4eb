"""A dataset as ids, as learners are trained on it: made of a task here, or read by `binary` from fairseq's files."""

from __future__ import annotations

from dataclasses import dataclass

from indoubt.data.datasets import examples_digest
from indoubt.data.task import Task
from indoubt.data.vocabulary import Vocabulary, training_pairs, vocabularies
from indoubt.training import Example, Ids


@dataclass(frozen=True)
class Dataset:
    """A dataset: vocabularies, training examples (T first, then H) and the sources to be decoded."""

    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    examples: tuple[Example, ...]
    test_sources: tuple[Ids, ...]

    @property
    def digest(self) -> str:
        """Hash of what it holds, as `content.dataset_digest` makes it of a task."""
        source, target = self.source_vocabulary, self.target_vocabulary
        pairs = [(source.decode(each.source), target.decode(each.target)) for each in self.examples]
        return examples_digest(pairs, map(source.decode, self.test_sources), (source, target))


def dataset_in_memory(task: Task, size: int, dataset: str) -> Dataset:
    """A task's dataset: what `indoubt.data.binary.load_dataset` reads once it is generated and binarized."""
    source, target = vocabularies(task, size, dataset)
    pairs = training_pairs(task, size, dataset)
    examples = tuple(Example(source.encode(s), target.encode(t)) for s, t in pairs)
    return Dataset(source, target, examples, tuple(map(source.encode, task.test_inputs(size))))
