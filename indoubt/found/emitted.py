"""A found rule as Python: a function for a task's file, and the same function to call."""

from __future__ import annotations

import inspect
import itertools
import re
from collections import Counter
from collections.abc import Callable, Mapping

from indoubt.data.task import Symbols
from indoubt.errors import UserError
from indoubt.found import primitives
from indoubt.found.library import LENGTHS, SYMBOLS
from indoubt.found.sequences import dictionary

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
