"""SCAN: all commands of its grammar and what they mean, and files in its public format.

Source: Lake & Baroni, Generalization without systematicity (ICML 2018). The 20,910 commands are made here, and equal
those of the public file `tasks.txt` as a set; their order is that of the grammar, the leftmost choice outermost.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from indoubt.data.task import Pair, Symbols, line, words
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
