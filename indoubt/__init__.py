"""doubt: what do sequence-to-sequence learners do when in doubt?

The library behind the workflow, a package for each stage of the way of the data:
data -> learners, engines -> workflow -> measures -> statistics -> tables -> figures -> report.
`Task` and `Symbols` are what a task file needs; importing them imports nothing heavy. `measure` is the way in from
Python, and imports everything, so only where it is asked for.
"""

from typing import TYPE_CHECKING, Any

from indoubt.data.task import Symbols, Task

if TYPE_CHECKING:
    from indoubt.notebook.measure import measure

__all__ = ["Symbols", "Task", "measure"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name != "measure":
        raise AttributeError(f"module 'indoubt' has no attribute {name!r}")
    from indoubt.notebook.measure import measure

    return measure
