"""Samples without a random generator, so that every machine and version draws the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from indoubt.data.task import Symbols, line


def first_by_hash(lines: Iterable[Symbols], n: int) -> list[Symbols]:
    """The `n` lines whose text has the smallest SHA-256 (hexadecimal, of its UTF-8), in that order.

    Raises:
        ValueError: there are fewer lines than `n`.
    """
    ordered = sorted(lines, key=lambda symbols: hashlib.sha256(line(symbols).encode()).hexdigest())
    if len(ordered) < n:
        raise ValueError(f"{n} lines wanted of {len(ordered)}")
    return ordered[:n]
