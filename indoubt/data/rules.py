"""A task's rules in one form: its candidates, its further rules, its answers, and the candidate of random labels.

Random labels are a candidate that any task can be given, the ceiling on the scale of code lengths. They are no rule
that a learner could prefer, so outputs are not classified by them and they take part in no comparison of candidates;
their code length says what examples without any regularity cost. They and samples are drawn by hashes and not by a
random generator, so that every machine and version draws the same.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import cast

from indoubt.data.task import Answer, Candidate, FurtherRule, Symbols, Task, line

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


#: Kinds of criteria: rules that are sent and so have a code length, rules that only classify, those of them that were
#: found in what learners do, sets of outputs.
CANDIDATE, RULE, FOUND, ANSWER = "candidate", "rule", "found", "answer"


@dataclass(frozen=True)
class Criterion:
    """`gives(source, output, size)`: whether it gives this output for the source; None where it is silent."""

    name: str
    kind: str
    gives: Callable[[Symbols, Symbols, int], bool | None]

    def followed(self, decoded: dict[Symbols, Symbols], holdout: list[Symbols], size: int) -> bool:
        """Whether all outputs for H are its own, as far as it speaks; it must speak of one at least."""
        said = {self.gives(source, decoded[source], size) for source in holdout}
        return True in said and False not in said


@cache
def criteria(task: Task) -> tuple[Criterion, ...]:
    """Candidates (`random` is none), then further rules, then answers: the order in which a seed is classified."""
    return (
        *(Criterion(name, CANDIDATE, _of_rule(rule)) for name, rule in rules(task).items()),
        *(
            Criterion(name, FOUND if name in task.found_on else RULE, _of_rule(rule))
            for name, rule in task.further_rules.items()
        ),
        *(Criterion(name, ANSWER, _of_answer(answer)) for name, answer in task.answers.items()),
    )


def _of_rule(rule: FurtherRule) -> Callable[[Symbols, Symbols, int], bool | None]:
    def gives(source: Symbols, output: Symbols, size: int) -> bool | None:
        own = rule(source, size)
        return None if own is None else own == output

    return gives


def _of_answer(answer: Answer) -> Callable[[Symbols, Symbols, int], bool | None]:
    def gives(source: Symbols, output: Symbols, size: int) -> bool | None:
        return answer(source, output, size)

    return gives


def first_by_hash(lines: Iterable[Symbols], n: int) -> list[Symbols]:
    """The `n` lines whose text has the smallest SHA-256 (hexadecimal, of its UTF-8), in that order.

    Raises:
        ValueError: there are fewer lines than `n`.
    """
    ordered = sorted(lines, key=lambda symbols: hashlib.sha256(line(symbols).encode()).hexdigest())
    if len(ordered) < n:
        raise ValueError(f"{n} lines wanted of {len(ordered)}")
    return ordered[:n]
