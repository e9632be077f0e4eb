"""By what responses are classified: a task's candidates, its further rules and its answers, in one form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from indoubt.data.random_candidate import rules
from indoubt.data.task import Answer, FurtherRule, Symbols, Task

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
