"""A candidate that any task can be given: random labels, the ceiling on the scale of code lengths.

It is no rule that a learner could prefer, so outputs are not classified by it and it takes part in no comparison of
candidates; its code length says what examples without any regularity cost.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import cast

from indoubt.data.task import Candidate, Symbols, Task, line

RANDOM = "random"


def rules(task: Task) -> dict[str, Candidate]:
    """The task's candidates that are rules: all but `random`."""
    return {name: rule for name, rule in task.candidates.items() if name != RANDOM}


def with_random(task: Task, seed: int = 0) -> Task:
    """The task with `random` as its last candidate; `seed` picks the labels, which are the same in each run.

    On T it gives T's outputs. On a hold-out input that is sent it gives a sequence whose length is drawn from 1 to that
    of the longest output of a candidate on H and whose symbols are drawn from those of T's outputs (a new symbol would
    reorder the dictionary), drawn again while it is the output of a candidate, unless no other output is left.
    """
    if RANDOM in task.candidates:
        return task

    def labels(source: Symbols, size: int) -> Symbols:
        return _labels(task, size, seed)[source]

    kind = type(task)
    changed = {"candidates": {**task.candidates, RANDOM: labels}, "__module__": kind.__module__}
    extended = type(kind.__name__, (kind,), changed)
    return cast(Task, extended())


_known: dict[tuple[type[Task], int, int], Mapping[Symbols, Symbols]] = {}


def _labels(task: Task, size: int, seed: int) -> Mapping[Symbols, Symbols]:
    """What `random` gives for each source of T and H."""
    key = (type(task), size, seed)
    if key not in _known:
        labels = dict(task.training_set(size))
        alphabet = sorted({symbol for output in labels.values() for symbol in output})
        outputs = {s: {rule(s, size) for rule in task.candidates.values()} for s in task.scored_inputs(size)}
        longest = max((len(output) for taken in outputs.values() for output in taken), default=1)
        for source, taken in outputs.items():
            stream = random.Random(f"{seed}/{task.name}/{size}/{line(source)}")
            labels[source] = _draw(stream, alphabet, longest, taken)
        _known[key] = labels
    return _known[key]


def _draw(stream: random.Random, alphabet: list[str], longest: int, taken: set[Symbols]) -> Symbols:
    """A random sequence that is not in `taken`, unless all possible ones are."""
    possible = sum(len(alphabet) ** length for length in range(1, longest + 1))
    all_taken = len({t for t in taken if 1 <= len(t) <= longest and set(t) <= set(alphabet)}) >= possible
    while True:
        drawn = tuple(stream.choice(alphabet) for _ in range(stream.randint(1, longest)))
        if all_taken or drawn not in taken:
            return drawn
