"""Rules out of reach of a learner that cannot tell order, or length: worked out by hand on the built-in tasks."""

from __future__ import annotations

import pytest

from indoubt.data.indistinguishable import LENGTH, ORDER, unrepresentable
from indoubt.data.task import load_tasks

TASKS = load_tasks()


@pytest.mark.parametrize(
    ("cell", "cannot_tell", "rules"),
    [
        # b a a and a b a: `first` and `last` differ, the majority and the parity of their number do not.
        ("first-last-majority-parity/5", [ORDER], {"first", "last"}),
        ("copy-or-reverse/4", [ORDER], {"copy", "reverse", "mirror_left", "mirror_right"}),
        # One symbol alone: there is no other order, but another length.
        ("add-or-mul/5", [ORDER], set()),
        ("add-or-mul/5", [LENGTH], {"add", "mul"}),
        ("count-or-mem/10", [ORDER, LENGTH], {"count"}),
        # Its inputs differ in number, so that the n-th symbol could be told by counting.
        ("hierar-or-linear/4", [ORDER], set()),
        ("oddone-or-linear/4", [ORDER], {"hierar", "linear"}),
        ("oddone-or-linear/4", [], set()),
    ],
)
def test_rules_out_of_reach(cell: str, cannot_tell: list[str], rules: set[str]) -> None:
    task, size = cell.split("/")
    assert unrepresentable(TASKS[task], int(size), cannot_tell) == rules
