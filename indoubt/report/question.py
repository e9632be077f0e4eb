"""A task as a reader of results meets it: its question, its ambiguous example and its rules, at the sizes run."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass

from indoubt.data.rules import rules
from indoubt.data.task import Symbols, Task, line

#: Training examples that are written out at most.
SHOWN = 4


@dataclass(frozen=True)
class Example:
    """The ambiguous example written out: T's examples, and one hold-out input with what each rule says."""

    size: int
    training: list[tuple[str, str]]
    n_training: int
    source: str
    outputs: list[tuple[str, str, str]]


def question(task: Task, sizes: Sequence[int]) -> str:
    """The first paragraph of the task's description, with the sizes that were run where it says `size`."""
    *most, last = map(str, sorted(sizes))
    numbers = f"{', '.join(most)} or {last}" if most else last
    return _plain((inspect.getdoc(type(task)) or "").split("\n\n")[0].replace("\n", " "), numbers)


def explained(rule: object, size: int) -> str:
    """What a rule says of itself in its first line, at a size; an example at another size is left out."""
    text = (inspect.getdoc(rule) or "").split("\n\n")[0].replace("\n", " ")
    text = re.sub(r": at size (\d+), [^.]*\.", lambda found: found[0] if int(found[1]) == size else ".", text)
    return _plain(text, str(size))


def _plain(text: str, size: str) -> str:
    """A text without its backticks, and with a number for `size` between them."""
    return re.sub(r"`([^`]*)`", lambda found: re.sub(r"\bsize\b", size, found[1]), text)


def example(task: Task, sizes: Sequence[int]) -> Example:
    """The smallest size's T and the hold-out input on which the rules differ most."""
    size = min(sizes)
    holdout = [source for source in task.holdout_inputs(size) if source]
    source: Symbols = max(
        holdout, key=lambda each: (len({rule(each, size) for rule in rules(task).values()}), -len(each))
    )
    outputs = [(name, line(rule(source, size)), explained(rule, size)) for name, rule in rules(task).items()]
    training = task.training_set(size)
    shown = training if len(training) <= SHOWN else [*training[:2], *training[-1:]]
    return Example(size, [(line(s), line(t)) for s, t in shown], len(training), line(source), outputs)


def only_classify(task: Task, sizes: Sequence[int]) -> str:
    """The rules and answers that a task is also classified by, in a sentence; empty if there are none."""
    named = [
        f"{name} ({explained(rule, min(sizes)).rstrip('.') or 'no description'})"
        for name, rule in (*task.further_rules.items(), *task.answers.items())
    ]
    return f"Outputs are also compared with these, which have no code length: {'; '.join(named)}." if named else ""
