"""Can the hold-out tell a task's rules apart?"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from indoubt.data.criteria import RULE
from indoubt.data.random_candidate import rules
from indoubt.data.task import FurtherRule, Symbols, Task
from indoubt.errors import UserError


def check_distinguishable(task: Task, size: int) -> None:
    """Refuse a task two of whose rules say the same on all of H, or two of whose candidates on what is sent of it.

    No output could tell the rules apart, no code length the candidates.

    Raises:
        UserError: which rules, or that there is no hold-out input.
    """
    holdout, scored = task.holdout_inputs(size), task.scored_inputs(size)
    if not holdout or not scored:
        raise UserError(f"task {task.name!r}, size {size} has no hold-out inputs; without them no rule can be told")
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
