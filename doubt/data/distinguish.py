"""Can the hold-out tell a task's candidate rules apart?"""

from __future__ import annotations

from doubt.data.random_candidate import rules
from doubt.data.task import Symbols, Task
from doubt.errors import UserError


def check_distinguishable(task: Task, size: int) -> None:
    """Refuse a task two of whose rules say the same on all of H: no output could tell them apart.

    Raises:
        UserError: which rules, or that there is no hold-out input.
    """
    holdout = task.holdout_inputs(size)
    if not holdout:
        raise UserError(f"task {task.name!r}, size {size} has no hold-out inputs; without them no rule can be told")
    behaviour: dict[tuple[Symbols, ...], str] = {}
    for name, rule in rules(task).items():
        same = behaviour.setdefault(tuple(rule(source, size) for source in holdout), name)
        if same != name:
            raise UserError(
                f"task {task.name!r}, size {size}: candidates {same!r} and {name!r} give the same outputs on all "
                "hold-out inputs; drop one, or add an input on which they differ"
            )


def n_ambiguous(task: Task, size: int) -> int:
    """Number of hold-out inputs on which at least two rules give the same output."""
    candidates = rules(task).values()
    return sum(len({rule(s, size) for rule in candidates}) < len(candidates) for s in task.holdout_inputs(size))
