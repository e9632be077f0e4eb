"""The lists of columns in docs/measures.md, from `indoubt.schema`.

    .venv/bin/python docs/tools/columns.py

writes them anew, between `<!-- columns of TABLE -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from indoubt.schema import CELL, ORIGIN, PROTOCOL, TABLES

PAGE = Path(__file__).resolve().parents[1] / "measures.md"
#: What most tables have, said in one line each.
SHARED = {
    tuple(CELL): "the cell",
    PROTOCOL: "the [protocol](faithfulness.md)",
    ORIGIN: "what trained it, where, and the version of torch; `mixed: a, b` where rows differ",
}


def filled(page: str) -> str:
    """A page with the list of each table that it names."""
    return re.sub(
        r"(<!-- columns of (\w+) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}{columns(found[2])}{found[3]}",
        page,
        flags=re.DOTALL,
    )


def columns(table: str) -> str:
    """A table's columns in Markdown, folded."""
    about = TABLES[table]
    left = dict(about.columns)
    lines = [f"<details><summary><code>{table}.csv</code>: a row is {about.row}</summary>\n"]
    lines += ["| column | type | is |", "|---|---|---|"]
    for name, column in about.columns.items():
        if name not in left:
            continue
        shared = next((names for names in SHARED if name == names[0] and set(names) <= set(left)), None)
        names = shared or (name,)
        kind = "" if shared else column.unit or column.kind.value
        meaning = SHARED[shared] if shared else column.meaning
        if column.ends and set(column.ends) <= set(left):
            names = (name, *column.ends)
            meaning += f"; {about.columns[column.ends[0]].meaning.removesuffix(': lower end')}"
        lines.append(f"| {', '.join(f'`{each}`' for each in names)} | {kind} | {meaning} |")
        left = {each: left[each] for each in left if each not in names}
    return "\n".join([*lines, "\n</details>\n"])


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
