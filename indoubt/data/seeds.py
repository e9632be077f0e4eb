"""Seeds as people write them (`1-4, 11`) and as files are named after them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable

#: numpy and torch take no larger seed.
LARGEST = 2**32 - 1
#: More seeds than anybody trains in one cell: a slip such as a range of two dates.
MOST = 100_000
#: What `label` gives, as a regular expression.
LABEL = r"[0-9][0-9a-f+.n-]*"


def parse_seeds(value: object) -> list[int]:
    """Seeds as numbers: from a list, one number, or text such as `1-4` or `1-4, 11`.

    Raises:
        ValueError: it is none of these, a range runs backwards, a seed stands twice, is too large, or there are too
            many.
    """
    allowed = f"seeds are a range such as 1-4, a number, or a list of numbers from 0 to {LARGEST}"
    seeds: list[int] = []
    for part in value if isinstance(value, list) else str(value).split(","):
        match = re.fullmatch(r"\s*(\d+)\s*(?:-\s*(\d+)\s*)?", str(part)) if not isinstance(part, bool) else None
        if match is None:
            raise ValueError(f"{value!r} is no list of seeds; {allowed}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"the range {part!r} runs backwards; {allowed}")
        if last > LARGEST:
            raise ValueError(f"the seed {last} is too large; {allowed}")
        if len(seeds) + last - first >= MOST:
            raise ValueError(f"{value!r} names more than {MOST:,} seeds; give fewer, each is a training at least")
        seeds += range(first, last + 1)
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"{value!r} names a seed twice")
    if not seeds:
        raise ValueError(f"no seeds given; {allowed}")
    return seeds


def ranges(seeds: Iterable[int], between: str = " ") -> str:
    """Seeds in a few words: 1, 2, 3, 4 and 7 are `1-4 7`."""
    runs: list[list[int]] = []
    for seed in sorted(set(seeds)):
        if runs and runs[-1][1] == seed - 1:
            runs[-1][1] = seed
        else:
            runs.append([seed, seed])
    return between.join(f"{low}" if low == high else f"{low}-{high}" for low, high in runs)


def label(seeds: Collection[int]) -> str:
    """A name for some seeds, for a file: `1-4` (one range, `3-3` too), `1-4+7`, or of very many ranges their ends,
    number and digest: `1-20261126.n60.5d41402a`.
    """
    first, last = min(seeds), max(seeds)
    if len(seeds) == last - first + 1:
        return f"{first}-{last}"
    whole = ranges(seeds, "+")
    if len(whole) <= 60:
        return whole
    return f"{first}-{last}.n{len(seeds)}.{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
