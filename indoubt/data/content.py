"""What a task's datasets hold and what its rules say, as hashes: they change with anything that the task reads.

A task may take examples and rules from other files, so that its own text says little of what it asks. A workflow that
takes these hashes as params of its rules makes anew what hangs on them; a job that trains compares them with the files
that it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from indoubt.data.random_candidate import rules
from indoubt.data.task import Pair, Symbols, Task
from indoubt.data.vocabulary import Vocabulary, training_pairs, vocabularies
from indoubt.training import digest


def examples_digest(examples: Iterable[Pair], tested: Iterable[Symbols], sides: tuple[Vocabulary, Vocabulary]) -> str:
    """Hash of a dataset as learners see it, 16 digits: examples in order, what is decoded, both vocabularies in order.

    fairseq's own symbols are left out: they are the same in all.
    """
    own = [side.own for side in sides]
    return digest([list(examples), list(tested), own])[:16]


@cache
def dataset_digest(task: Task, size: int, dataset: str) -> str:
    """`examples_digest` of a dataset as the task gives it now."""
    return examples_digest(
        training_pairs(task, size, dataset), task.test_inputs(size), vocabularies(task, size, dataset)
    )


@cache
def rules_digest(task: Task, size: int) -> str:
    """Hash of what decides the class of an output, 16 digits, except answers, which are known by their code alone.

    That is what T asks for and where it is checked, H, and what each rule says of every source that is decoded.
    """
    tested: Sequence[Symbols] = task.test_inputs(size)
    speaking = {**rules(task), **task.further_rules}
    said = {name: [rule(source, size) for source in tested] for name, rule in speaking.items()}
    asked = [task.training_set(size), task.fit_inputs(size), task.holdout_inputs(size), task.scored_inputs(size)]
    return digest([asked, list(tested), said])[:16]
