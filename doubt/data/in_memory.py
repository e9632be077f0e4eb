"""Datasets as fairseq-preprocess would write them, made in memory: to know what is asked before any file is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import doubt.data.compat  # noqa: F401  (must come before fairseq)

from fairseq.data import Dictionary

from doubt.data.binary import Dataset
from doubt.data.given_dictionary import PADDING_FACTOR, given_dictionaries
from doubt.data.task import Symbols, Task
from doubt.data.text import training_pairs
from doubt.training import Example, Ids


def dataset_in_memory(task: Task, size: int, dataset: str) -> Dataset:
    """What `doubt.data.binary.load_dataset` reads once the dataset is generated and binarized."""
    pairs = training_pairs(task, size, dataset)
    given = given_dictionaries(task, size)
    source, target = map(_given, given) if given else map(_dictionary, zip(*pairs, strict=True))
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


def _given(counts: Mapping[str, int]) -> Dictionary:
    dictionary = Dictionary()
    for symbol, count in counts.items():
        dictionary.add_symbol(symbol, count)
    return dictionary


def _encoded(sentence: Sequence[str], dictionary: Dictionary) -> Ids:
    return (*(dictionary.index(symbol) for symbol in sentence), dictionary.eos())
