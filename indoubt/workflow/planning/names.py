"""Names of learners, as far as files and Snakemake can take them: refused before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._=,+-]*")
#: Characters of a name: a file's name holds 255, and gets longer while it is written.
LONGEST = 200
#: What Snakemake takes for a file name that grows without end: the same part so many times at the end of a name.
PERIODIC = re.compile(r"(.+)\1{19,}$")


def faults_of(names: Iterable[str], used: Iterable[str]) -> list[str]:
    """What is wrong with learners' names, a sentence for each.

    Args:
        names: all learners of a configuration.
        used: those that experiments measure.
    """
    faults = [fault for name in names if (fault := _fault_of(name))]
    alike: dict[str, str] = {}
    for name in sorted(used):
        other = alike.setdefault(name.lower(), name)
        if other != name:
            faults.append(
                f"{other!r} and {name!r} differ in case alone, and some file systems take them for one; rename one"
            )
    return faults


def _fault_of(name: str) -> str:
    if not NAME.fullmatch(name):
        return f"name {name!r} may hold letters, digits and . _ = , + -, and starts with a letter or digit"
    short = f"{name[:40]}..."
    if len(name) > LONGEST:
        return (
            f"name {short!r} has {len(name)} characters, more than {LONGEST}: files are named after it; shorten it, "
            "or, if a sweep made it, vary fewer arguments or take shorter values"
        )
    repeated = PERIODIC.search(name)
    if repeated:
        return (
            f"name {short!r} ends with {repeated[1]!r} 20 times or more, which Snakemake takes for a name without end; "
            "rename it, or, if a sweep made it of many equal layers, write them as '[(512, 3)] * 24'"
        )
    if name.endswith(".jsonl"):
        return f"name {name!r} ends with .jsonl, as files of results do; rename it"
    return ""
