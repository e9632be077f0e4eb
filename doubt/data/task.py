"""What a task is, and the registry that finds tasks in folders.

A task is a family of ambiguous datasets. Each file of `tasks/` (and of the folder that `config.yaml` names under
`task_folder`) defines one by a subclass of `Task`; adding a file adds a task.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from doubt.errors import UserError, nearest
from doubt.files import ROOT

Symbols = tuple[str, ...]
Pair = tuple[Symbols, Symbols]
#: A candidate rule: the output it gives for a source, at a size of the task.
Candidate = Callable[[Symbols, int], Symbols]

BUILT_IN = ROOT / "tasks"
FPA = "fpa"
RESERVED = {FPA, "other", "unfit", "diverged", "random"}


class Task(ABC):
    """A family of ambiguous datasets, one per size.

    `name` is how config, paths and tables call it. `sizes` are the sizes it has. `block_size` is how many hold-out
    examples are sent together. `candidates` maps each candidate rule's name to its function.
    """

    name: ClassVar[str]
    sizes: ClassVar[tuple[int, ...]]
    block_size: ClassVar[int] = 1
    candidates: ClassVar[Mapping[str, Candidate]]

    @abstractmethod
    def training_inputs(self, size: int) -> list[Symbols]:
        """Sources of T, in the order in which they are written and batched."""

    @abstractmethod
    def holdout_inputs(self, size: int) -> list[Symbols]:
        """Sources of H, in the order in which they are written (each seed shuffles them)."""

    def test_inputs(self, size: int) -> list[Symbols]:
        """Sources that a trained learner decodes: T's and H's together, by default shortest first."""
        return sorted(self.training_inputs(size) + self.holdout_inputs(size), key=len)

    def training_set(self, size: int) -> list[Pair]:
        """T: its sources with the outputs on which all candidates agree.

        Raises:
            UserError: the candidates do not agree on T, so there is nothing to be in doubt about.
        """
        examples = []
        for source in self.training_inputs(size):
            outputs = {name: rule(source, size) for name, rule in self.candidates.items()}
            if len(set(outputs.values())) != 1:
                said = ", ".join(f"{name}: {' '.join(output)!r}" for name, output in outputs.items())
                raise UserError(
                    f"task {self.name!r}, size {size}: the candidates disagree on the training input "
                    f"{' '.join(source)!r} ({said}); all candidates must give the same output on T"
                )
            examples.append((source, next(iter(outputs.values()))))
        return examples

    def holdout_set(self, size: int, candidate: str) -> list[Pair]:
        """H labelled by a candidate rule."""
        rule = self.candidates[candidate]
        return [(source, rule(source, size)) for source in self.holdout_inputs(size)]

    def n_blocks(self, size: int) -> int:
        """K, the number of hold-out blocks that are scored."""
        return -(-len(self.holdout_inputs(size)) // self.block_size)

    @property
    def path(self) -> Path:
        """The file that defines the task."""
        return Path(inspect.getfile(type(self)))

    @property
    def datasets(self) -> tuple[str, ...]:
        """`fpa` (T only) and one dataset per candidate (T, then H labelled by it)."""
        return (FPA, *self.candidates)


def load_tasks(folders: Iterable[str | Path] = ()) -> dict[str, Task]:
    """All tasks of the built-in folder and of `folders`, by name.

    Raises:
        UserError: a folder is missing, a file defines no task or fails to import, or two tasks share a name.
    """
    tasks: dict[str, Task] = {}
    origin: dict[str, Path] = {}
    for folder in [BUILT_IN, *map(Path, folders)]:
        if not folder.is_dir():
            raise UserError(f"task folder {str(folder)!r} does not exist; create it or correct `task_folder`")
        for path in sorted(folder.glob("[!_]*.py")):
            task = _task_of(path)
            if task.name in tasks:
                raise UserError(f"two tasks are called {task.name!r}: {origin[task.name]} and {path}; rename one")
            tasks[task.name], origin[task.name] = task, path
    return tasks


def find_task(name: str, tasks: Mapping[str, Task]) -> Task:
    """The task called `name`, or a `UserError` that names the nearest one."""
    if name not in tasks:
        raise UserError(f"no task {name!r}; there are {', '.join(sorted(tasks))}{nearest(name, tasks)}")
    return tasks[name]


def check_size(task: Task, size: object) -> int:
    """`size` as one of the task's sizes, or a `UserError` that lists them."""
    if isinstance(size, bool) or not isinstance(size, int) or size not in task.sizes:
        raise UserError(f"task {task.name!r} has no size {size!r}; its sizes are {', '.join(map(str, task.sizes))}")
    return size


def _task_of(path: Path) -> Task:
    """The one task that a file defines."""
    module_name = f"doubt_tasks.{path.stem}_{abs(hash(str(path.resolve()))):x}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"task file {path} cannot be imported: {type(error).__name__}: {error}") from error
    classes = [c for c in vars(module).values() if inspect.isclass(c) and issubclass(c, Task) and c is not Task]
    own = [c for c in classes if c.__module__ == module_name]
    if len(own) != 1:
        raise UserError(f"task file {path} must define exactly one subclass of doubt.Task, it defines {len(own)}")
    task = own[0]
    _check_definition(task, path)
    return task()


def _check_definition(task: type[Task], path: Path) -> None:
    """Refuse a task whose class lacks what the workflow needs, by name of what is missing."""
    missing = [a for a in ("name", "sizes", "candidates") if not hasattr(task, a)]
    missing += sorted(getattr(task, "__abstractmethods__", ()))
    if missing:
        raise UserError(f"task file {path}: class {task.__name__} lacks {', '.join(missing)}")
    for what, word in [("task", task.name), *(("candidate", c) for c in task.candidates)]:
        if not re.fullmatch(r"[a-z][a-z0-9_-]*", word):
            raise UserError(f"task file {path}: {what} name {word!r} must be lower-case letters, digits, '-' and '_'")
    clash = sorted(RESERVED & set(task.candidates))
    if clash:
        raise UserError(f"task file {path}: candidate name {clash[0]!r} is reserved; choose another")
    if not task.sizes or not all(isinstance(s, int) and s >= 0 for s in task.sizes):
        raise UserError(f"task file {path}: sizes must be whole numbers, they are {task.sizes!r}")
    if task.block_size < 1:
        raise UserError(f"task file {path}: block_size must be at least 1, it is {task.block_size}")


def words(text: str) -> Symbols:
    """The symbols of one line of text: `"a a b"` is `("a", "a", "b")`."""
    return tuple(text.split())


def line(symbols: Sequence[str]) -> str:
    """Symbols as one line of text, without the newline."""
    return " ".join(symbols)
