"""Rules that have a name: a task's own, and those of all tasks with the same T."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache

import numpy as np

from indoubt.data.random_candidate import rules
from indoubt.data.task import FurtherRule, Symbols, Task
from indoubt.found.language import GIVES_T, NO_SWITCH, bits_of_one
from indoubt.found.library import Library, Numbers, Programs, Rule


def add_named(made: Library, task: Task, size: int, tasks: Mapping[str, Task]) -> None:
    """Rules that have a name come first: those of all tasks with the same T that speak of all of H."""
    own = given_rules(task)
    adopted = {name: rule for name, rule in task.further_rules.items() if name in task.found_on}
    others: dict[str, FurtherRule] = {}
    for other in sorted(tasks.values(), key=lambda each: each.name):
        for same in other.sizes if other.name != task.name else ():
            if _same_t(other, same, made.training):
                others |= {f"{name} of {other.name}": _at(rule, same) for name, rule in given_rules(other).items()}
    known = {row.tobytes(): place for place, row in enumerate(made.whole.said)}
    spoken: dict[str, Numbers] = {}
    for name, rule in {**own, **others, **adopted}.items():
        said = _on(rule, made.inputs, size)
        if said is not None:
            spoken[name] = np.array(made.outputs.row(said), dtype=np.int64)
            made.named.setdefault(spoken[name].tobytes(), []).append(name)
    bits = bits_of_one(max(1, len([name for name in spoken if name not in adopted]))) + GIVES_T
    more: list[tuple[Numbers, tuple[str, str, str, bool]]] = []
    for name, row in spoken.items():
        if name in adopted:
            continue
        place = known.get(row.tobytes())
        if place is None:
            about = (f"what `{name}` gives", name.split()[0], "", True)
            known[row.tobytes()] = len(made.whole.bits) + len(more)
            more.append((row, about))
        elif place < len(made.whole.bits):
            made.whole.bits[place] = min(made.whole.bits[place], bits)
            about = made.whole.rules[place]
        else:
            about = more[place - len(made.whole.bits)][1]
        if name in own:
            made.given[name] = Rule(bits + NO_SWITCH, row, *about)
    if more:
        made.whole = Programs(
            np.concatenate([made.whole.bits, np.full(len(more), float(bits))]),
            np.concatenate([made.whole.said.reshape(-1, len(made.inputs)), np.array([row for row, _ in more])]),
            [*made.whole.rules, *(about for _, about in more)],
        )


def given_rules(task: Task) -> dict[str, FurtherRule]:
    """A task's rules, candidates and those that only classify, without rules that were found."""
    further = {name: rule for name, rule in task.further_rules.items() if name not in task.found_on}
    return {**rules(task), **further}


def _same_t(task: Task, size: int, training: Mapping[Symbols, Symbols]) -> bool:
    """Whether a task of a size has the same T."""
    return _sources(task, size) == training.keys() and dict(task.training_set(size)) == training


@cache
def _sources(task: Task, size: int) -> frozenset[Symbols]:
    """T's sources."""
    return frozenset(task.training_inputs(size))


def _at(rule: FurtherRule, size: int) -> FurtherRule:
    """A rule as it is at a size, whatever size it is asked for."""
    return lambda source, _: rule(source, size)


def _on(rule: FurtherRule, inputs: Iterable[Symbols], size: int) -> list[Symbols] | None:
    """What a rule says of all inputs; None where it is silent on one or cannot be asked, as another task's may."""
    said = []
    for source in inputs:
        try:
            output = rule(source, size)
        except (IndexError, KeyError, ValueError, StopIteration, TypeError):
            return None
        if output is None:
            return None
        said.append(output)
    return said
