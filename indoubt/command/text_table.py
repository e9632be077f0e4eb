"""Tables in the terminal, with nothing that has to be installed."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, of which the last is broken into lines where the terminal is too narrow for it."""
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(len(heads) - 1)]
    before = sum(widths) + 2 * len(widths)
    last = max(shutil.get_terminal_size((120, 24)).columns - before, 30)
    lines = []
    for row in [heads, *rows]:
        first, *more = textwrap.wrap(row[-1], last) or [""]
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]
        lines += ["  ".join([*cells, first]).rstrip(), *(" " * before + line for line in more)]
    return "\n".join(lines)
