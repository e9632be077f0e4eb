"""A found rule as Python: to call, as a notebook has it, and as a further rule of a task, if the task may have it."""

from __future__ import annotations

import inspect
import itertools
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import pandas as pd

from indoubt.data.check import check_task
from indoubt.data.task import Symbols, Task
from indoubt.errors import UserError
from indoubt.found import primitives
from indoubt.found.library import LENGTHS, SYMBOLS, grammar_of, searched
from indoubt.found.sequences import dictionary
from indoubt.measures.rows import Row

Function = Callable[[Symbols, int], Symbols | None]


def function_source(
    expression: str, name: str, size: int, training: Mapping[Symbols, Symbols], grammar: str, doc: str = ""
) -> str:
    """A rule as the text of a function `name(source, size)`, with what it uses above it.

    It is silent (None) at other sizes, and on T's inputs where it does not give T's outputs: a further rule of a task
    must not contradict T.

    Args:
        expression: as the table `found_rules` has it in `python`.
        doc: what the function says of itself, one line.

    Raises:
        UserError: there is no expression, as for a rule that only another task's file can tell.
    """
    if not expression:
        raise UserError(f"{name} has no Python of its own: it is a rule that a task has under its name")
    body = _source(expression, name, size, training, grammar, doc, silent=False)
    called: Function = run(body, name)
    if all(_gives(called, source, size) == output for source, output in training.items()):
        return body
    return _source(expression, name, size, training, grammar, doc, silent=True)


def function(expression: str, size: int, training: Mapping[Symbols, Symbols], grammar: str) -> Function:
    """A rule as a function of a source and a size; on T's inputs, too, it gives what the rule gives."""
    return run(_source(expression, "found", size, training, grammar, "", silent=False), "found")


def gives_t(expression: str, size: int, training: Mapping[Symbols, Symbols], grammar: str) -> bool:
    """Whether a rule gives T's outputs for T's inputs."""
    called = function(expression, size, training, grammar)
    return all(_gives(called, source, size) == output for source, output in training.items())


def _gives(called: Function, source: Symbols, size: int) -> Symbols | None:
    """What a rule gives; None where it cannot be asked, as for the fifth symbol of three."""
    try:
        return called(source, size)
    except (IndexError, KeyError):
        return None


def run(text: str, name: str) -> Function:
    """The function of that name which a text defines."""
    space: dict[str, object] = {"Symbols": Symbols, "Mapping": Mapping, "Counter": Counter, "itertools": itertools}
    exec(compile(f"from __future__ import annotations\n{text}", f"<{name}>", "exec"), space)
    made = space[name]
    assert callable(made)
    return made


def _source(
    expression: str, name: str, size: int, training: Mapping[Symbols, Symbols], grammar: str, doc: str, silent: bool
) -> str:
    """The text of the function, what it uses first."""
    lines = [f"def {name}(source: Symbols, size: int) -> Symbols | None:"]
    lines += [f'    """{doc}"""'] if doc else []
    lines += [f"    if size != {size}:", "        return None"]
    lines += [f"    if source in {_tuples(training)}:", "        return None"] if silent else []
    if re.search(r"\bT\b", expression):
        pairs = ", ".join(f"{source!r}: {output!r}" for source, output in training.items())
        lines.append(f"    T = {{{pairs}}}")
    if "MEANING" in expression:
        lines.append(f"    MEANING = {dictionary(training)!r}")
    if grammar == LENGTHS:
        symbol = next(symbol for output in training.values() for symbol in output)
        lines += ["    n = len(source)", f"    return ({symbol!r},) * ({expression})"]
    elif grammar == SYMBOLS:
        lines += [f"    symbol = {expression}", "    return None if symbol is None else (symbol,)"]
    else:
        lines.append(f"    return {expression}")
    used = [helper for helper in _helpers() if re.search(rf"\b{helper.__name__}\(", expression)]
    return "\n\n\n".join([*(inspect.getsource(helper).rstrip() for helper in used), "\n".join(lines)]) + "\n"


def _helpers() -> list[Callable[..., object]]:
    """The functions that rules are made of."""
    made = [each for each in vars(primitives).values() if inspect.isfunction(each)]
    return [each for each in made if each.__module__ == primitives.__name__]


def _tuples(training: Mapping[Symbols, Symbols]) -> str:
    return "{" + ", ".join(map(repr, training)) + "}"


#: The longest line of a docstring, without the quotes that end it.
WIDTH = 117


@dataclass(frozen=True)
class Adoption:
    """The function as text, the task's class attributes that name it, and why the task refuses it, if it does."""

    source: str
    attributes: str
    refused: str


def adoption(task: Task, row: Row, name: str, seeds: str) -> Adoption:
    """A found rule as a further rule of its task.

    Args:
        task: the task, as its file defines it.
        row: of the table `found_rules`.
        name: what the rule is to be called.
        seeds: those of the cell that it was found in, as `found_on` has them.

    Raises:
        UserError: the row has no rule, or one that only a name tells.
    """
    where = f"{row['task']}/{row['size']}/{row['learner']}"
    if not row["python"]:
        raise UserError(
            f"{where}, part {row['part']}: form {row['form']!r} has no rule to adopt"
            + (f" ({row['note']})" if row["note"] else f" ({row['words']}, {row['kind']})")
        )
    size = int(row["size"])
    training = dict(task.training_set(size))
    share = f"{100 * row['share']:.0f} % of the answers of seeds it was not found on"
    said = f"{row['words'][0].upper()}{row['words'][1:]}. Found in what {row['learner']} does: {share}."
    doc = "\n".join(textwrap.wrap(said, WIDTH, initial_indent=" " * 7, subsequent_indent=" " * 4)).lstrip()
    source = function_source(row["python"], name, size, training, grammar_of(training, searched(task, size)), doc)
    rules = ", ".join(f'"{known}": {rule.__name__}' for known, rule in task.further_rules.items())
    found = ", ".join(f'"{known}": "{on}"' for known, on in task.found_on.items())
    attributes = (
        f'    further_rules = {{{rules}{", " if rules else ""}"{name}": {name}}}\n'
        f'    found_on = {{{found}{", " if found else ""}"{name}": "{seeds}"}}\n'
    )
    return Adoption(source, attributes, _refused(task, size, name, source, seeds))


def _refused(task: Task, size: int, name: str, source: str, seeds: str) -> str:
    """Why a copy of a task that has the rule cannot be measured; empty if it can."""
    kind = type(task)
    changed = {
        "further_rules": {**task.further_rules, name: run(source, name)},
        "found_on": {**task.found_on, name: seeds},
        "__module__": kind.__module__,
    }
    try:
        check_task(cast(Task, type(kind.__name__, (kind,), changed)()), size)
    except UserError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class FoundRule:
    """A rule that was found: in words, as the text of a Python function, and to call.

    `rule("a b b b a")` or `rule(("a", "b", "b", "b", "a"))` is what it gives for a source.
    """

    words: str
    python: str
    _size: int = field(repr=False)
    _function: Function = field(repr=False)

    def __call__(self, source: str | Symbols) -> Symbols | None:
        symbols = tuple(source.split()) if isinstance(source, str) else tuple(source)
        return self._function(symbols, self._size)


def found_rules(task: Task, size: int, rows: pd.DataFrame) -> dict[int, FoundRule]:
    """The rules of some rows of one cell of `found_rules`, by their parts; those without Python are left out."""
    training = dict(task.training_set(size))
    grammar = grammar_of(training, searched(task, size))
    return {
        int(row["part"]): FoundRule(
            str(row["words"]),
            function_source(row["python"], f"found_{row['part']}", size, training, grammar),
            size,
            function(row["python"], size, training, grammar),
        )
        for row in rows.to_dict("records")
        if row["python"]
    }
