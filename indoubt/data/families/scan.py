"""What the SCAN tasks share: how commands with `jump` may be answered, and tasks made from files of SCAN."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from indoubt.data.families.sample import first_by_hash
from indoubt.data.families.scan_grammar import JUMP, TIMES, commands, meaning, read_scan
from indoubt.data.task import Candidate, Symbols, Task

#: Commands of T on which the fit of a large T is checked, and commands of a large H that are sent.
N_FIT, N_SENT = 100, 64


def has_jump(command: Symbols) -> bool:
    """Whether `jump` is among the words of a command that has more than this one."""
    return "jump" in command and command != JUMP


def repeats_jump(command: Symbols) -> bool:
    """Whether a clause of the command says `jump ... twice` or `jump ... thrice`."""
    if "and" in command or "after" in command:
        at = next(place for place, word in enumerate(command) if word in ("and", "after"))
        return repeats_jump(command[:at]) or repeats_jump(command[at + 1 :])
    return command[0] == "jump" and command[-1] in TIMES


def compo(command: Symbols, size: int) -> Symbols:
    """What the command means: `jump twice -> I_JUMP I_JUMP`."""
    return meaning(command)


def mem(command: Symbols, size: int) -> Symbols:
    """The only output that `jump` was seen with: `jump twice -> I_JUMP`."""
    return meaning(JUMP) if "jump" in command else meaning(command)


def subst(command: Symbols, size: int) -> Symbols:
    """As if `walk` stood for `jump`, but for the bare command: `jump twice -> I_WALK I_WALK`."""
    return substituted(command, "walk") if command != JUMP else meaning(JUMP)


def substitutes(command: Symbols, output: Symbols, size: int) -> bool:
    """As if any of `walk`, `look`, `run` stood for `jump`: `jump twice -> I_RUN I_RUN`."""
    return any(output == substituted(command, word) for word in ("walk", "look", "run"))


def substituted(command: Symbols, word: str) -> Symbols:
    """The meaning of a command in which another word stands for `jump`."""
    return meaning(tuple(word if each == "jump" else each for each in command))


@cache
def sample_of(task: Task, size: int) -> tuple[Symbols, ...]:
    """`jump`, and the first others of T's commands by their hash: `N_FIT` in all."""
    others = {source for source in task.training_inputs(size) if source != JUMP}
    return (JUMP, *first_by_hash(others, N_FIT - 1))


class LargeScanTask(Task):
    """SCAN with a part of the commands that have `jump` held out; the fit is checked on a sample of T.

    All held-out commands are decoded; of those, the `N_SENT` with the smallest hash are sent, in that order.
    """

    sizes = (1,)
    block_size = 16
    answers = {"substitutes": substitutes}

    def fit_inputs(self, size: int) -> list[Symbols]:
        return list(sample_of(self, size))

    def scored_inputs(self, size: int) -> list[Symbols]:
        return first_by_hash(self.holdout_inputs(size), N_SENT)


class ReplacedScanTask(LargeScanTask):
    """The critique's splits: T is every command, each held-out one replaced by `jump`."""

    candidates = {"compo": compo}

    def is_held_out(self, command: Symbols) -> bool:
        """Whether a command belongs to H."""
        raise NotImplementedError

    def training_inputs(self, size: int) -> list[Symbols]:
        return [JUMP if self.is_held_out(command) else command for command in commands()]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [command for command in commands() if self.is_held_out(command)]


class ScanFiles(Task):
    """A task whose T and H are two files in SCAN's public format, beside the task's own file.

    Its one candidate, `compo`, gives what the files say.
    """

    sizes = (1,)
    block_size = 16
    training_file: ClassVar[str]
    test_file: ClassVar[str]

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)

        def compo(command: Symbols, size: int) -> Symbols:
            """What the files say."""
            return meanings_of(cls())[command]

        candidates: Mapping[str, Candidate] = {"compo": compo}
        cls.candidates = candidates

    def training_inputs(self, size: int) -> list[Symbols]:
        return [command for command, _ in read_scan(self.files[1])]

    def holdout_inputs(self, size: int) -> list[Symbols]:
        return [command for command, _ in read_scan(self.files[2])]

    def fit_inputs(self, size: int) -> list[Symbols]:
        everything = list(dict.fromkeys(self.training_inputs(size)))
        return first_by_hash(everything, min(N_FIT, len(everything)))

    def scored_inputs(self, size: int) -> list[Symbols]:
        everything = self.holdout_inputs(size)
        return first_by_hash(everything, min(N_SENT, len(everything)))

    @property
    def files(self) -> tuple[Path, ...]:
        folder = self.path.parent
        return (self.path, folder / self.training_file, folder / self.test_file)


@cache
def _meanings(training: Path, test: Path) -> dict[Symbols, Symbols]:
    return dict([*read_scan(test), *read_scan(training)])


def meanings_of(task: ScanFiles) -> dict[Symbols, Symbols]:
    """What each command of a task's files means; what both files hold, as T has it."""
    _, training, test = task.files
    return _meanings(training, test)
