"""Is a task what it says, and can the hold-out tell its rules apart? Checked before anything is trained."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import combinations

from indoubt.data.rules import RULE, rules
from indoubt.data.task import FurtherRule, Symbols, Task, line
from indoubt.data.vocabulary import RESERVED, names_unseen
from indoubt.errors import UserError


def check_distinguishable(task: Task, size: int) -> None:
    """Refuse a task two of whose rules say the same on all of H, or two of whose candidates on what is sent of it.

    No output could tell the rules apart, no code length the candidates.

    Raises:
        UserError: which rules, or that there is no hold-out input.
    """
    holdout, scored = task.holdout_inputs(size), task.scored_inputs(size)
    if not holdout or not scored:
        raise UserError(
            f"task {task.name!r}, size {size} has no hold-out inputs; without them rules cannot be told apart"
        )
    _check(task, size, {**rules(task), **task.further_rules}, holdout, "all hold-out inputs")
    if scored != holdout:
        _check(task, size, rules(task), scored, "all hold-out inputs that are sent (scored_inputs)")


def _check(task: Task, size: int, judged: Mapping[str, FurtherRule], sources: list[Symbols], where: str) -> None:
    behaviour: dict[tuple[Symbols | None, ...], str] = {}
    for name, rule in judged.items():
        said = tuple(rule(source, size) for source in sources)
        if all(output is None for output in said):  # as a rule that was found at another size: nothing follows it here
            continue
        same = behaviour.setdefault(said, name)
        if same != name:
            kind = "candidates" if name in task.candidates else f"candidate or {RULE}"
            raise UserError(
                f"task {task.name!r}, size {size}: {kind} {same!r} and {name!r} give the same outputs on {where}; "
                "drop one, or add an input on which they differ"
            )


def n_ambiguous(task: Task, size: int) -> int:
    """Number of hold-out inputs on which at least two candidates give the same output."""
    candidates = rules(task).values()
    return sum(len({rule(s, size) for rule in candidates}) < len(candidates) for s in task.holdout_inputs(size))


def least_separating(task: Task, size: int) -> int:
    """The least number of hold-out inputs on which two candidates differ, over all two of them; 0 if there is one."""
    candidates, holdout = list(rules(task).values()), task.holdout_inputs(size)
    differ = (sum(a(s, size) != b(s, size) for s in holdout) for a, b in combinations(candidates, 2))
    return min(differ, default=0)


@cache
def check_task(task: Task, size: int) -> None:
    """Refuse a task that cannot be measured as it is, or would be measured as something else.

    Raises:
        UserError: what is wrong, in one sentence with the task, the size and the rule or method that gives it.
    """
    where = f"task {task.name!r}, size {size}"
    given = {
        name: _inputs(where, name, method, size)
        for name, method in (
            ("training_inputs", task.training_inputs),
            ("holdout_inputs", task.holdout_inputs),
            ("scored_inputs", task.scored_inputs),
            ("fit_inputs", task.fit_inputs),
            ("test_inputs", task.test_inputs),
        )
    }
    training, holdout, tested = (given[f"{name}_inputs"] for name in ("training", "holdout", "test"))
    if not training:
        raise UserError(f"{where}: training_inputs gives no example; a learner needs one at least")
    _check_parts(where, given)
    _check_outputs(where, task, size, [*dict.fromkeys(training), *holdout])
    known = {symbol for source in training for symbol in source} | set(_unseen(where, task, size)[0])
    for source in (*holdout, *tested):
        for symbol in source:
            if symbol not in known:
                raise UserError(
                    f"{where}: the input {line(source)!r} has the symbol {symbol!r}, which T's sources and so all "
                    "dictionaries lack; name it in unseen_symbols, or use another"
                )
    outputs = {symbol for _, output in task.training_set(size) for symbol in output}
    check_distinguishable(task, size)
    _check_further(where, task, size)
    if names_unseen(task):
        _check_given(where, task, size, outputs | set(task.unseen_symbols(size)[1]))


def _inputs(where: str, name: str, method: Callable[[int], Iterable[Symbols]], size: int) -> list[Symbols]:
    """What a method of a task gives, if it is a list of sources."""
    given = _called(where, name, method, size)
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise UserError(f"{where}: {name} gives {given!r:.80}, not a list of sources, each a tuple of symbols")
    sources = list(given)
    for source in sources:
        _check_symbols(where, name, source, "a source")
    return sources


def _called(where: str, name: str, function: Callable[..., object], *arguments: object) -> object:
    """The result of a function of the task; an error of its own is said with its place."""
    try:
        return function(*arguments)
    except UserError:
        raise
    except Exception as error:
        of = f" of {line(arguments[0])!r}" if arguments and isinstance(arguments[0], tuple) else ""
        raise UserError(f"{where}: {name}{of} fails: {type(error).__name__}: {error}; correct the task") from error


def _check_symbols(where: str, name: str, value: object, what: str) -> None:
    """Refuse what is no tuple of symbols, and symbols that text or fairseq would take for something else."""
    if not isinstance(value, tuple) or not all(isinstance(symbol, str) for symbol in value):
        raise UserError(
            f"{where}: {name} gives {value!r:.80} as {what}, which must be a tuple of symbols such as ('a', 'b')"
        )
    for symbol in value:
        fault = _fault_of(symbol)
        if fault:
            raise UserError(f"{where}: {name} gives {value!r:.80}, in which the symbol {symbol!r} {fault}; use another")


@cache
def _fault_of(symbol: str) -> str:
    """What is wrong with a symbol, if anything."""
    if not symbol:
        return "is empty"
    if any(character.isspace() for character in symbol):
        return "holds a blank, a tab or a line's end, which separate symbols and examples"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in symbol):
        return "holds a control character, which does not survive in a text file"
    return "is fairseq's own" if RESERVED.fullmatch(symbol) else ""


def _check_parts(where: str, given: dict[str, list[Symbols]]) -> None:
    """H apart from T, what is fitted part of T, what is sent part of H, and all that classifies decoded."""
    training, holdout, tested = (set(given[f"{name}_inputs"]) for name in ("training", "holdout", "test"))
    for source in given["holdout_inputs"]:
        if source in training:
            raise UserError(
                f"{where}: {line(source)!r} is both in training_inputs and in holdout_inputs; H must not hold what "
                "T has"
            )
    for name, whole, of in (("fit_inputs", training, "training"), ("scored_inputs", holdout, "holdout")):
        for source in given[name]:
            if source not in whole:
                raise UserError(f"{where}: {name} gives {line(source)!r}, which {of}_inputs lacks; leave it out")
    if not given["fit_inputs"]:
        raise UserError(f"{where}: fit_inputs gives no source; whether a seed fits T cannot be determined without one")
    for name in ("fit_inputs", "holdout_inputs"):
        for source in given[name]:
            if source not in tested:
                raise UserError(
                    f"{where}: test_inputs lacks {line(source)!r}, which {name} gives; it must be decoded to tell "
                    "which rule a learner follows"
                )


def _unseen(where: str, task: Task, size: int) -> tuple[Symbols, Symbols]:
    """The symbols that T lacks, if a task gives them as it should."""
    given = _called(where, "unseen_symbols", task.unseen_symbols, size)
    if not isinstance(given, tuple) or len(given) != 2:
        raise UserError(f"{where}: unseen_symbols gives {given!r:.80}, not two tuples: of sources and of outputs")
    for symbols in given:
        _check_symbols(where, "unseen_symbols", symbols, "symbols")
    return given


def _check_outputs(where: str, task: Task, size: int, sources: list[Symbols]) -> None:
    """Refuse candidates that fail or give no tuple of symbols."""
    for name, rule in rules(task).items():
        for source in sources:
            _check_symbols(where, f"candidate {name!r}", _called(where, f"candidate {name!r}", rule, source, size),
                           f"the output of {line(source)!r}")  # fmt: skip


def _check_further(where: str, task: Task, size: int) -> None:
    """Refuse further rules that contradict T or never speak of H, and answers that are no predicates."""
    trained, holdout = dict(task.training_set(size)), task.holdout_inputs(size)
    for name, further in task.further_rules.items():
        said = {}
        for source in (*trained, *holdout):
            said[source] = _called(where, f"further rule {name!r}", further, source, size)
            if said[source] is not None:
                _check_symbols(where, f"further rule {name!r}", said[source], f"the output of {line(source)!r}")
        for source, output in trained.items():
            own = said[source]
            if own is not None and own != output:
                raise UserError(
                    f"{where}: further rule {name!r} does not give T's output {line(output)!r} for the training input "
                    f"{line(source)!r}; a rule must fit T, or give None where it has nothing to say"
                )
        # A rule that was found at one size says nothing of the others.
        if name not in task.found_on and all(said[source] is None for source in holdout):
            raise UserError(f"{where}: further rule {name!r} says nothing of any hold-out input; leave it out")
    for name, answer in task.answers.items():
        for source in holdout:
            for rule in rules(task).values():
                verdict = _called(where, f"answer {name!r}", answer, source, rule(source, size), size)
                if not isinstance(verdict, bool):
                    raise UserError(
                        f"{where}: answer {name!r} gives {verdict!r:.80} for {line(source)!r}; it must be a predicate "
                        "of source, output and size, true or false"
                    )


def _check_given(where: str, task: Task, size: int, known: set[str]) -> None:
    """Refuse outputs with symbols that the dictionaries which the task gives do not hold."""
    for name, rule in rules(task).items():
        for source in task.scored_inputs(size):
            for symbol in rule(source, size):
                if symbol not in known:
                    raise UserError(
                        f"{where}: candidate {name!r} gives the symbol {symbol!r} for {line(source)!r}, which neither "
                        "T's outputs nor unseen_symbols hold; name it there"
                    )
