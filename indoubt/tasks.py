"""The name under which task files written for doubt 0.1 import `Task`."""

from indoubt.data.task import Symbols, Task, line, words

__all__ = ["Symbols", "Task", "line", "words"]
