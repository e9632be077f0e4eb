"""Datasets as fairseq-preprocess would write them, made in memory: to know what is asked before any file is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import doubt.data.compat  # noqa: F401  (must come before fairseq)

from fairseq.data import Dictionary

from doubt.data.binary import Dataset
from doubt.data.task import Symbols, Task
from doubt.data.text import training_pairs
from doubt.training import Example, Ids

#: fairseq-preprocess pads a dictionary to a multiple of this many symbols.
PADDING_FACTOR = 8


def dataset_in_memory(task: Task, size: int, dataset: str) -> Dataset:
    """What `doubt.data.binary.load_dataset` reads once the dataset is generated and binarized."""
    pairs = training_pairs(task, size, dataset)
    source, target = (_dictionary(side) for side in zip(*pairs, strict=True))
    examples = tuple(Example(_encoded(s, source), _encoded(t, target)) for s, t in pairs)
    return Dataset(source, target, examples, tuple(_encoded(each, source) for each in task.test_inputs(size)))


def _dictionary(sentences: Iterable[Symbols]) -> Dictionary:
    dictionary = Dictionary()
    for sentence in sentences:
        for symbol in sentence:
            dictionary.add_symbol(symbol)
        dictionary.add_symbol(dictionary.eos_word)
    dictionary.finalize(padding_factor=PADDING_FACTOR)
    return dictionary


def _encoded(sentence: Sequence[str], dictionary: Dictionary) -> Ids:
    return (*(dictionary.index(symbol) for symbol in sentence), dictionary.eos())
