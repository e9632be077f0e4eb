"""What the SCAN tasks share: its grammar, its public format, and how commands with `jump` may be answered.

Source: Lake & Baroni, Generalization without systematicity (ICML 2018). The 20,910 commands are made here, and equal
those of the public file `tasks.txt` as a set; their order is that of the grammar, the leftmost choice outermost.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from indoubt.data.rules import first_by_hash
from indoubt.data.task import Candidate, Pair, Symbols, Task, line, words
from indoubt.errors import UserError

ACTIONS = ("walk", "look", "run", "jump")
SIDES = ("left", "right")
TIMES = {"twice": 2, "thrice": 3}
JUMP: Symbols = ("jump",)
_LINE = re.compile(r"IN:(?P<command>.*?)OUT:(?P<actions>.*)")


@cache
def clauses() -> tuple[Symbols, ...]:
    """The 102 commands of one clause: `walk`, `turn left`, `look around right twice`, ..."""
    simple: list[Symbols] = [(action,) for action in ACTIONS]
    simple += [("turn", side) for side in SIDES]
    simple += [(action, side) for side in SIDES for action in ACTIONS]
    for manner in ("opposite", "around"):
        simple += [(action, manner, side) for action in ("turn", *ACTIONS) for side in SIDES]
    return tuple((*phrase, *often) for often in ((), *((word,) for word in TIMES)) for phrase in simple)


@cache
def commands() -> tuple[Symbols, ...]:
    """All 20,910 commands: one clause; `S1 after S2`; `S1 and S2`."""
    joined = [(*one, word, *other) for word in ("after", "and") for one in clauses() for other in clauses()]
    return (*clauses(), *joined)


@cache
def meaning(command: Symbols) -> Symbols:
    """The actions that a command stands for: `jump left -> I_TURN_LEFT I_JUMP`."""
    for word in ("and", "after"):
        if word in command:
            at = command.index(word)
            one, other = meaning(command[:at]), meaning(command[at + 1 :])
            return one + other if word == "and" else other + one
    if command[-1] in TIMES:
        return meaning(command[:-1]) * TIMES[command[-1]]
    act: Symbols = () if command[0] == "turn" else (f"I_{command[0].upper()}",)
    if len(command) == 1:
        return act
    turn: Symbols = (f"I_TURN_{command[-1].upper()}",)
    manner = command[1] if len(command) == 3 else ""
    return {"": turn + act, "opposite": turn * 2 + act, "around": (turn + act) * 4}[manner]


def read_scan(path: Path) -> list[Pair]:
    """The examples of a file in the public format, `IN: jump left OUT: I_TURN_LEFT I_JUMP` a line.

    Raises:
        UserError: it cannot be read, holds no example, or a line is none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"SCAN file {path} cannot be read: {error}; correct the path, or fetch the file again"
        ) from None
    pairs = []
    for number, each in enumerate(text.splitlines(), 1):
        match = _LINE.fullmatch(each.strip())
        if match is None or not words(match["command"]):
            raise UserError(f"SCAN file {path}, line {number} is not `IN: command OUT: actions`: {each[:60]!r}")
        pairs.append((words(match["command"]), words(match["actions"])))
    if not pairs:
        raise UserError(f"SCAN file {path} is empty; its lines are `IN: command OUT: actions`")
    known: dict[Symbols, Symbols] = {}
    for command, actions in pairs:
        if known.setdefault(command, actions) != actions:
            raise UserError(f"SCAN file {path} gives {line(command)!r} two meanings; it must not contradict itself")
    return pairs


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
    """As if `walk` stood for `jump`, except in the bare command: `jump twice -> I_WALK I_WALK`."""
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
