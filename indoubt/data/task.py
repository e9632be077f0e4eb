"""What a task is, and the registry that finds tasks in folders.

A task is a family of ambiguous datasets. Each file of `tasks/` (and of the folder that `config.yaml` names under
`task_folder`) defines one by a subclass of `Task`; adding a file adds a task. Files beside a task's own that it imports
are found while it is imported, and forgotten by Python afterwards.
"""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import ClassVar

from indoubt.errors import UserError, nearest
from indoubt.files import ROOT


@contextmanager
def importing_beside(folder: Path) -> Iterator[list[Path]]:
    """While it lasts, `import helper` finds the file beside a task's; two folders may each have a `helper`.

    Yields:
        A list that holds, once it has ended, the files of the folder that were imported, packages there included.
    """
    found: list[Path] = []
    names = {each.stem for each in folder.glob("*.py")} | {each.parent.name for each in folder.glob("*/__init__.py")}
    names -= {"indoubt", *sys.stdlib_module_names}  # `copy.py` may be a task and `import copy` mean Python's own
    others = {name: module for name, module in sys.modules.items() if name.partition(".")[0] in names}
    for name in others:
        del sys.modules[name]
    wrote_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True  # a cache tells edits by whole seconds
    sys.path.insert(0, str(folder))
    try:
        yield found
    finally:
        sys.path.remove(str(folder))
        sys.dont_write_bytecode = wrote_bytecode
        for name in [name for name in sys.modules if name.partition(".")[0] in names]:
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).is_relative_to(folder):
                found.append(Path(file))
                del sys.modules[name]
        sys.modules.update(others)


Symbols = tuple[str, ...]
Pair = tuple[Symbols, Symbols]
#: A candidate rule: the output it gives for a source, at a size of the task.
Candidate = Callable[[Symbols, int], Symbols]
#: A rule that only classifies: as a candidate, but it may say nothing of a source (None).
FurtherRule = Callable[[Symbols, int], Symbols | None]
#: An answer: whether an output for a source, at a size of the task, is of a kind. (source, output, size)
Answer = Callable[[Symbols, Symbols, int], bool]

BUILT_IN = ROOT / "tasks"
FPA = "fpa"
#: Characters of a name: files are named after it.
LONGEST = 100
RESERVED = {FPA, "other", "unfit", "diverged", "random", "none"}


class Task(ABC):
    """A family of ambiguous datasets, one per size.

    `name` is how config, paths and tables call it. `sizes` are the sizes it has. `block_size` is how many hold-out
    examples are sent together, one number or one for each size. `candidates` maps each candidate rule's name to its
    function: it is sent, classified by and has a code length. `further_rules` and `answers` only classify: functions
    that may be silent on some sources, and predicates on source, output and size. `found_on` names the further rules
    that were found in what learners do (docs/found-rules.md), each with the seeds that it was found on. T may hold an
    example repeatedly.
    """

    name: ClassVar[str]
    sizes: ClassVar[tuple[int, ...]]
    block_size: ClassVar[int | Mapping[int, int]] = 1
    candidates: ClassVar[Mapping[str, Candidate]]
    further_rules: ClassVar[Mapping[str, FurtherRule]] = {}
    answers: ClassVar[Mapping[str, Answer]] = {}
    found_on: ClassVar[Mapping[str, str]] = {}
    #: Files beside the task's own that it imports; noted when it is loaded.
    imported: ClassVar[tuple[Path, ...]] = ()

    @abstractmethod
    def training_inputs(self, size: int) -> list[Symbols]:
        """Sources of T, in the order in which they are written and batched."""

    @abstractmethod
    def holdout_inputs(self, size: int) -> list[Symbols]:
        """Sources of H, in the order in which they are written (each seed shuffles them)."""

    def scored_inputs(self, size: int) -> list[Symbols]:
        """Sources of H that are sent, so that they have a code length: by default all of H."""
        return self.holdout_inputs(size)

    def fit_inputs(self, size: int) -> list[Symbols]:
        """Sources of T that must be decoded to T's outputs for a seed to fit: by default all of T."""
        return list(dict.fromkeys(self.training_inputs(size)))

    def test_inputs(self, size: int) -> list[Symbols]:
        """Sources that a trained learner decodes: those of the fit and of H together, by default shortest first."""
        return sorted(self.fit_inputs(size) + self.holdout_inputs(size), key=len)

    def unseen_symbols(self, size: int) -> tuple[Symbols, Symbols]:
        """Symbols of sources and of outputs that T lacks and every dataset's dictionary is to hold: by default none."""
        return (), ()

    def training_set(self, size: int) -> list[Pair]:
        """T: its sources with the outputs on which all candidates agree.

        Raises:
            UserError: the candidates do not agree on T, so there is nothing to be in doubt about, or T has two outputs
                for one source.
        """
        return list(_training_set(self, size))

    def holdout_set(self, size: int, candidate: str) -> list[Pair]:
        """What is sent of H, labelled by a candidate rule."""
        rule = self.candidates[candidate]
        return [(source, rule(source, size)) for source in self.scored_inputs(size)]

    def block_size_at(self, size: int) -> int:
        """How many hold-out examples are sent together at a size."""
        return self.block_size if isinstance(self.block_size, int) else self.block_size[size]

    def n_blocks(self, size: int) -> int:
        """K, the number of hold-out blocks that are scored."""
        return -(-len(self.scored_inputs(size)) // self.block_size_at(size))

    @property
    def path(self) -> Path:
        """The file that defines the task."""
        return Path(inspect.getfile(type(self)))

    @property
    def files(self) -> tuple[Path, ...]:
        """Files that decide what the task is: its definition, and data that this reads."""
        return (self.path,)

    @property
    def datasets(self) -> tuple[str, ...]:
        """`fpa` (T only) and one dataset per candidate (T, then H labelled by it)."""
        return (FPA, *self.candidates)


@cache
def _training_set(task: Task, size: int) -> tuple[Pair, ...]:
    """T of a task, made once."""
    examples: list[Pair] = []
    known: dict[Symbols, Symbols] = {}
    for source in task.training_inputs(size):
        outputs = {name: rule(source, size) for name, rule in task.candidates.items()}
        if len(set(outputs.values())) != 1:
            said = ", ".join(f"{name}: {' '.join(output)!r}" for name, output in outputs.items())
            raise UserError(
                f"task {task.name!r}, size {size}: the candidates disagree on the training input "
                f"{' '.join(source)!r} ({said}); all candidates must give the same output on T"
            )
        output = next(iter(outputs.values()))
        if known.setdefault(source, output) != output:
            raise UserError(
                f"task {task.name!r}, size {size}: T has the source {' '.join(source)!r} twice, with the outputs "
                f"{' '.join(known[source])!r} and {' '.join(output)!r}; T must not contradict itself"
            )
        examples.append((source, output))
    return tuple(examples)


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
        with importing_beside(path.parent.resolve()) as imported:
            spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"task file {path} cannot be imported: {type(error).__name__}: {error}") from error
    classes = [c for c in vars(module).values() if inspect.isclass(c) and issubclass(c, Task) and c is not Task]
    own = [c for c in classes if c.__module__ == module_name]
    if len(own) != 1:
        raise UserError(f"task file {path} must define exactly one subclass of indoubt.Task, it defines {len(own)}")
    task = own[0]
    check_definition(task, f"task file {path}")
    task.imported = tuple(sorted(imported))
    return task()


def check_definition(task: Task | type[Task], where: str) -> None:
    """Refuse a task that lacks what the workflow needs, or gives it in another form, by name of what is wrong.

    Args:
        task: its class, or an instance that may have attributes of its own.
        where: what a message calls the place of the definition.
    """
    kind = task if isinstance(task, type) else type(task)
    missing = [a for a in ("name", "sizes", "candidates") if not hasattr(task, a)]
    missing += sorted(getattr(kind, "__abstractmethods__", ()))
    if missing:
        raise UserError(f"{where}: class {kind.__name__} lacks {', '.join(missing)}")
    if kind.__hash__ is None:
        raise UserError(f"{where}: class {kind.__name__} cannot be told from others; of a dataclass, give it eq=False")
    for what in ("candidates", "further_rules", "answers"):
        group = getattr(task, what)
        if not isinstance(group, Mapping):
            raise UserError(
                f"{where}: {what} must map names to functions, as {{'first': first}} does; it is {group!r:.80}"
            )
    if not task.candidates:
        raise UserError(f"{where}: candidates is empty; a task needs one rule at least")
    named = [(what, name) for what, group in _groups(task) for name in group]
    for what, word in [("task", task.name), *named]:
        if not isinstance(word, str) or not re.fullmatch(r"[a-z][a-z0-9_-]*", word):
            raise UserError(f"{where}: {what} name {word!r} must be lower-case letters, digits, '-' and '_'")
        if len(word) > LONGEST:
            raise UserError(f"{where}: {what} name {word!r} has more than {LONGEST} characters; shorten it")
    for what, word in named:
        if word in RESERVED:
            raise UserError(f"{where}: {what} name {word!r} is reserved; choose another")
        if sum(word == other for _, other in named) > 1:
            raise UserError(f"{where}: two rules or answers are called {word!r}; rename one")
    for name in task.found_on:
        if name not in task.further_rules:
            raise UserError(f"{where}: found_on names {name!r}, which is none of further_rules")
    _check_functions(where, task)
    sizes = task.sizes if isinstance(task.sizes, Sequence) else ()
    if not sizes or not all(_is_whole(size, 0) for size in sizes):
        raise UserError(f"{where}: sizes must be whole numbers, in a tuple such as (5, 10); they are {task.sizes!r}")
    blocks = task.block_size
    without = [size for size in task.sizes if isinstance(blocks, Mapping) and size not in blocks]
    if without:
        raise UserError(f"{where}: block_size lacks size {without[0]}; give each size its own, or one for all")
    for block in blocks.values() if isinstance(blocks, Mapping) else [blocks]:
        if not _is_whole(block, 1):
            raise UserError(f"{where}: block_size must be a whole number of at least 1, it is {block!r}")


def _check_functions(where: str, task: Task | type[Task]) -> None:
    """Refuse rules and answers that are no functions."""
    for what, group in _groups(task):
        for name, function in group.items():
            if not callable(function):
                raise UserError(f"{where}: {what} {name!r} is {function!r:.80}, which is no function")


def _is_whole(number: object, least: int) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and number >= least


def _groups(task: Task | type[Task]) -> list[tuple[str, Mapping[str, object]]]:
    """What a task classifies by, in groups, each with the word for one of it."""
    return [("candidate", task.candidates), ("further rule", task.further_rules), ("answer", task.answers)]


def words(text: str) -> Symbols:
    """The symbols of one line of text: `"a a b"` is `("a", "a", "b")`."""
    return tuple(text.split())


def line(symbols: Sequence[str]) -> str:
    """Symbols as one line of text, without the newline."""
    return " ".join(symbols)
