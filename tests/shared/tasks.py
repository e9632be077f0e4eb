"""The tasks of the paper's released code: small, and measured in most tests that go through all of a run's files."""

from __future__ import annotations

from indoubt.data.task import Task, load_tasks

RELEASED = ("add-or-mul", "comp-or-mem", "count-or-mem", "hierar-or-linear")


def released_tasks() -> dict[str, Task]:
    """Those tasks by name."""
    tasks = load_tasks()
    return {name: tasks[name] for name in RELEASED}
