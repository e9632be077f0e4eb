"""Seeds that are known to follow a rule: its outputs, some of them replaced by others of the cell."""

from __future__ import annotations

import zlib
from functools import cache

import numpy as np

from indoubt.data.task import Task, load_tasks
from indoubt.found.library import Library, Numbers, library

TASKS: dict[str, Task] = load_tasks()


@cache
def library_of(task: str, size: int) -> Library:
    return library(TASKS[task], size, TASKS)


def drawn(made: Library, n: int, name: str) -> list[int]:
    """Rules of a library, short ones more often (2^(-bits/4))."""
    weights = 2.0 ** (-made.whole.bits / 4)
    return [int(k) for k in generator(name).choice(len(weights), n, replace=False, p=weights / weights.sum())]


def seeds_of(made: Library, said: Numbers, n_seeds: int, noise: float, name: str) -> Numbers:
    """(seeds, inputs): what a rule said, each response replaced with a probability by an output that the rule gives
    for another input."""
    stream = generator(name)
    outputs = sorted({made.outputs.said[number] for number in made.whole.said[:200].ravel()})
    numbers = np.array([[made.outputs.number(place, output) for output in outputs] for place in range(said.shape[-1])])
    responses = np.repeat(said[None], n_seeds, axis=0)
    others = numbers[np.arange(said.shape[-1]), stream.integers(0, len(outputs), responses.shape)]
    return np.where(stream.random(responses.shape) < noise, others, responses)


def shuffled(made: Library, responses: Numbers, name: str) -> Numbers:
    """Each seed's outputs in another order: they have nothing to do with the inputs."""
    stream = generator(name)
    rows = []
    for seed in responses:
        outputs = [made.outputs.said[number] for number in seed]
        rows.append(made.outputs.row(outputs[place] for place in stream.permutation(len(outputs))))
    return np.array(rows, dtype=np.int64)


def generator(name: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(name.encode()))
