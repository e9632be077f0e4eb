"""doubt: what do sequence-to-sequence learners do when in doubt?

The library behind the workflow, a package for each stage of the way of the data:
data -> learners, engines -> workflow -> measures -> statistics -> tables -> figures -> report.
`Task` and `Symbols` are what a task file needs; importing them imports nothing heavy.
"""

from doubt.data.task import Symbols, Task

__all__ = ["Symbols", "Task"]
__version__ = "0.1.0"
