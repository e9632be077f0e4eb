"""All rules that a search may choose among, for one task and size: as arrays over the hold-out inputs.

They are those of the grammar that fits the task, and those that have a name: its own, and those of all tasks with the
same T.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from indoubt.data.rules import first_by_hash, rules
from indoubt.data.task import FurtherRule, Symbols, Task
from indoubt.found import lengths, sequences, symbols
from indoubt.found.language import BESIDES_T, GIVES_T, NO_SWITCH, Condition, Program, bits_of_one, conditions

LENGTHS, SYMBOLS, SEQUENCES = "lengths", "symbols", "sequences"
Numbers = NDArray[np.int64]
Bits = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Outputs:
    """Numbers for outputs, those of each hold-out input apart, so that one array counts them all."""

    def __init__(self, n_inputs: int) -> None:
        self._numbers: list[dict[Symbols, int]] = [{} for _ in range(n_inputs)]
        self.said: list[Symbols] = []
        self.places: list[int] = []

    def number(self, place: int, output: Symbols) -> int:
        """The number of an output for the hold-out input at a place."""
        known = self._numbers[place].setdefault(output, len(self.said))
        if known == len(self.said):
            self.said.append(output)
            self.places.append(place)
        return known

    def row(self, outputs: Iterable[Symbols]) -> list[int]:
        """The numbers of an output for each of the hold-out inputs."""
        return [self.number(place, output) for place, output in enumerate(outputs)]


@dataclass(frozen=True)
class Rule:
    """A rule as it stands on H: `said` are the numbers of its outputs, `bits` its length, all flags with it."""

    bits: int
    said: Numbers
    words: str
    short: str
    python: str
    gives_t: bool

    @property
    def key(self) -> bytes:
        """Equal for rules that say the same of H."""
        return self.said.tobytes()


@dataclass(frozen=True)
class Programs:
    """Rules in the order of their bits: `bits` (rules,) and `said` (rules, inputs), the numbers of their outputs."""

    bits: Bits
    said: Numbers
    rules: list[tuple[str, str, str, bool]]

    def rule(self, place: int, more: int = 0) -> Rule:
        """One of them; `more` bits say that it stands alone."""
        words, short, python, gives_t = self.rules[place]
        return Rule(int(self.bits[place]) + more, self.said[place], words, short, python, gives_t)


@dataclass(frozen=True)
class Side:
    """The hold-out inputs on one side of T's longest, as places, and the rules for them."""

    places: Numbers
    programs: Programs


@dataclass
class Library:
    """What a search chooses among.

    `whole` are the rules for all inputs; two of them can be joined by one of `conditions`. In the grammar of lengths
    `sides` have rules for shorter and for longer inputs. `given` are the task's own rules that were not found, `named`
    all rules of tasks with the same T, adopted ones too: what they say of H. `also` lists for a rule, by what it says
    of H, longer ones that say the same. `inputs` are those of H (`holdout`) that are searched.
    """

    grammar: str
    inputs: list[Symbols]
    training: dict[Symbols, Symbols]
    outputs: Outputs
    limit: int
    whole: Programs
    conditions: list[Condition] = field(default_factory=list)
    sides: list[Side] = field(default_factory=list)
    given: dict[str, Rule] = field(default_factory=dict)
    named: dict[bytes, list[str]] = field(default_factory=dict)
    also: dict[bytes, list[str]] = field(default_factory=dict)
    holdout: list[Symbols] = field(default_factory=list)

    @cached_property
    def alone(self) -> dict[bytes, int]:
        """The places of the rules for all inputs, by what they say of H."""
        return {row.tobytes(): place for place, row in enumerate(self.whole.said)}

    @property
    def n_programs(self) -> int:
        """How many rules, or parts of a rule, a search compares."""
        return len(self.whole.bits) + sum(len(side.programs.bits) for side in self.sides)

    @property
    def n_letters(self) -> int:
        """How many symbols there are to spell an output of."""
        outputs = {symbol for output in self.training.values() for symbol in output}
        sources = {symbol for source in self.training for symbol in source}
        return len(outputs | sources if self.grammar == SEQUENCES else outputs)


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
