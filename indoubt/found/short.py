"""Names of a few characters for found rules, for where there is no room: the atlas and the terminal."""

from __future__ import annotations

import string
from collections.abc import Iterable

#: The longest that fits into a mark's line.
LONGEST = 16


def fitted(short: str, room: int = LONGEST) -> str:
    """A short name cut to what fits, with an ellipsis where something was cut."""
    return short if len(short) <= room else short[: room - 1].rstrip(" ,:+|-") + "…"


def distinct(names: Iterable[tuple[str, str]]) -> dict[str, str]:
    """For each rule (what it is, its short name) a short name of its own, in the order of what they are."""
    taken: dict[str, str] = {}
    for rule, short in sorted(set(names)):
        if rule in taken:
            continue
        name = fitted(short)
        for letter in string.ascii_lowercase[1:]:
            if name not in taken.values():
                break
            name = f"{fitted(short, LONGEST - 2)} {letter}"
        taken[rule] = name
    return taken
