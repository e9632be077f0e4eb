"""From a task to its library: the grammar that fits, all its rules, and those that have a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from indoubt.data.families.sample import first_by_hash
from indoubt.data.task import Symbols, Task
from indoubt.found import lengths, sequences, symbols
from indoubt.found.conditions import conditions
from indoubt.found.language import BESIDES_T, GIVES_T, Program
from indoubt.found.library import LENGTHS, SEQUENCES, SYMBOLS, Library, Outputs, Programs, Side
from indoubt.found.named import add_named

#: Searched are at most so many hold-out inputs, the first by hash; fewer than the least say nothing of a rule.
MOST_INPUTS, LEAST_INPUTS = 128, 3
#: Rules that say the same of H as a shorter one are named if they are at most so many bits longer.
ALSO_SAID = 4


def searched(task: Task, size: int) -> list[Symbols]:
    """The hold-out inputs that rules are searched on."""
    holdout = list(dict.fromkeys(task.holdout_inputs(size)))
    return holdout if len(holdout) <= MOST_INPUTS else first_by_hash(holdout, MOST_INPUTS)


def nothing_to_find(task: Task, size: int) -> str:
    """Why no rule can be searched for; empty where one can."""
    n_inputs = len(set(task.holdout_inputs(size)))
    if n_inputs < LEAST_INPUTS:
        return f"H has {n_inputs} input{'s' if n_inputs != 1 else ''}: no rule can be told from another"
    if not any(output for _, output in task.training_set(size)):
        return "no grammar for a task of whose outputs T has none but empty ones"
    return ""


def library(task: Task, size: int, tasks: Mapping[str, Task]) -> Library:
    """All rules for a task of a size.

    Args:
        tasks: all tasks there are; rules of those with the same T are tried by name.
    """
    training, inputs = dict(task.training_set(size)), searched(task, size)
    grammar = grammar_of(training, inputs)
    outputs = Outputs(len(inputs))
    make = {LENGTHS: _lengths, SYMBOLS: _symbols, SEQUENCES: _sequences}[grammar]
    made = make(inputs, training, outputs)
    made.holdout = list(dict.fromkeys(task.holdout_inputs(size)))
    add_named(made, task, size, tasks)
    return made


def grammar_of(training: Mapping[Symbols, Symbols], inputs: Sequence[Symbols]) -> str:
    """Lengths where sources and outputs are runs of one symbol each; symbols where outputs are one; else sequences."""
    sources = {symbol for source in [*training, *inputs] for symbol in source}
    if len(sources) == 1 and len({symbol for output in training.values() for symbol in output}) == 1:
        return LENGTHS
    return SYMBOLS if all(len(output) == 1 for output in training.values()) else SEQUENCES


def _lengths(inputs: list[Symbols], training: dict[Symbols, Symbols], outputs: Outputs) -> Library:
    """Rules for lengths: one for all inputs, or one for each side of T's longest."""
    symbol = next(symbol for output in training.values() for symbol in output)
    longest_input, longest_output = max(map(len, training)), max(map(len, training.values()))
    ns = [len(source) for source in inputs]
    below = [place for place, n in enumerate(ns) if n < longest_input]
    above = [place for place, n in enumerate(ns) if n >= longest_input]

    def programs(places: Sequence[int], more: int, cut: bool) -> Programs:
        found = lengths.length_rules([ns[place] for place in places], longest_input, longest_output, cut=cut)
        said = [[outputs.number(p, (symbol,) * n) for p, n in zip(places, each.outputs, strict=True)] for each in found]
        rules = [(each.words, each.short, each.python, True) for each in found]
        return Programs(np.array([each.bits + more for each in found], float), np.array(said, dtype=np.int64), rules)

    both = bool(below) and bool(above)
    whole = programs(range(len(ns)), GIVES_T, cut=not both)
    sides = [Side(np.array(places), programs(places, 0, cut=True)) for places in (below, above)] if both else []
    return Library(LENGTHS, inputs, training, outputs, lengths.LIMIT, whole, sides=sides)


def _symbols(inputs: list[Symbols], training: dict[Symbols, Symbols], outputs: Outputs) -> Library:
    """Rules for one symbol."""
    found, limit = symbols.symbol_rules([*inputs, *training], sequences.letters_of(training))
    as_outputs: list[Program[Symbols]] = [
        Program(each.bits, tuple((symbol,) for symbol in each.outputs), each.words, each.short, each.python)
        for each in found
    ]
    return _switched(SYMBOLS, as_outputs, limit, inputs, training, outputs)


def _sequences(inputs: list[Symbols], training: dict[Symbols, Symbols], outputs: Outputs) -> Library:
    """Rules for sequences."""
    found, limit = sequences.sequence_rules([*inputs, *training], training)
    return _switched(SEQUENCES, found, limit, inputs, training, outputs)


def _switched(
    grammar: str, found: list[Program[Symbols]], limit: int, inputs: list[Symbols], training: dict[Symbols, Symbols],
    outputs: Outputs,
) -> Library:  # fmt: skip
    """Rules of the two other grammars: of those that say the same of H the shortest, and what they may switch on."""
    trained = tuple(training.values())
    ranked = []
    for each in found:
        gives_t = each.outputs[len(inputs) :] == trained
        ranked.append((each.bits + (GIVES_T if gives_t else BESIDES_T), gives_t, each))
    kept: dict[tuple[Symbols, ...], tuple[int, bool, Program[Symbols]]] = {}
    longer: dict[tuple[Symbols, ...], list[str]] = {}
    for bits, gives_t, each in sorted(ranked, key=lambda rank: rank[0]):
        of_holdout = each.outputs[: len(inputs)]
        first = kept.setdefault(of_holdout, (bits, gives_t, each))
        if first[2] is not each and bits <= first[0] + ALSO_SAID:
            longer.setdefault(of_holdout, []).append(each.words)
    said = {of_holdout: np.array(outputs.row(of_holdout), dtype=np.int64) for of_holdout in kept}
    programs = Programs(
        np.array([bits for bits, _, _ in kept.values()], float),
        np.array(list(said.values()), dtype=np.int64).reshape(len(kept), len(inputs)),
        [(each.words, each.short, each.python, gives_t) for _, gives_t, each in kept.values()],
    )
    also = {said[of_holdout].tobytes(): words for of_holdout, words in longer.items()}
    longest = max(map(len, training))
    return Library(
        grammar, inputs, training, outputs, limit, programs, conditions=conditions(inputs, longest), also=also
    )
