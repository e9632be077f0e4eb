"""Datasets as fairseq-preprocess would write them, made in memory: to know what is asked before any file is there."""

from __future__ import annotations

from indoubt.data.binary import Dataset
from indoubt.data.task import Task
from indoubt.data.vocabulary import training_pairs, vocabularies
from indoubt.training import Example


def dataset_in_memory(task: Task, size: int, dataset: str) -> Dataset:
    """What `indoubt.data.binary.load_dataset` reads once the dataset is generated and binarized."""
    source, target = vocabularies(task, size, dataset)
    pairs = training_pairs(task, size, dataset)
    examples = tuple(Example(source.encode(s), target.encode(t)) for s, t in pairs)
    return Dataset(source, target, examples, tuple(map(source.encode, task.test_inputs(size))))
