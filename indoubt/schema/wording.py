"""How numbers are written for people: in tables, on the page, in the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def number(value: float) -> str:
    """A code length to three digits: `123`, `12.3`, `0.00123` as `1.23e-3`, `–` where there is none."""
    if math.isnan(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:.0f}"
    if abs(value) >= 0.01:
        return f"{value:#.3g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def bits_text(row: Mapping[Any, Any]) -> str:
    """A candidate's mean code length with its interval, or, with ≥ in front, what it is at least.

    Args:
        row: of the table `code_length`.
    """
    if not math.isnan(row["bits_mean"]) or math.isnan(row["bits_at_least"]):
        return f"{number(row['bits_mean'])} {span(row['ci_low'], row['ci_high'], number)}".rstrip()
    return f"≥ {number(row['bits_at_least'])}"


def share(value: float) -> str:
    """A share to two digits, `–` where there is none."""
    return "–" if math.isnan(value) else f"{value:.2f}"


def span(low: float, high: float, form: Callable[[float], str]) -> str:
    """An interval, or nothing where there is none."""
    if math.isnan(low) or math.isnan(high):
        return ""
    return f"[{form(low)}, {form(high)}]"


def p_text(value: float) -> str:
    """A p-value: `.031`, `<.001`, `1`."""
    return "<.001" if value < 0.001 else f"{value:.3f}".removeprefix("0").removesuffix(".000")


def duration(seconds: float) -> str:
    """A time for people: `42 s`, `12 min`, `3.4 h`, `12 days`."""
    if math.isnan(seconds) or seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.1f} days"


def shortened(symbols: list[str]) -> str:
    """Symbols in short: runs of more than four as `b × 46`, nothing as `(empty)`."""
    runs: list[list[str]] = []
    for symbol in symbols:
        if runs and runs[-1][0] == symbol:
            runs[-1].append(symbol)
        else:
            runs.append([symbol])
    words = [f"{run[0]} × {len(run)}" if len(run) > 4 else " ".join(run) for run in runs]
    return " ".join(words) or "(empty)"


def counted(n: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


def p_in_words(p: float) -> str:
    """A corrected p in words."""
    return "p < .001" if p < 0.001 else f"p = {p:.3f}".replace("0.", ".", 1)


def percent(share: float) -> str:
    """A share as `96 %`, `–` where there is none."""
    return "–" if math.isnan(share) else f"{100 * share:.0f} %"


def percent_span(low: float, high: float) -> str:
    """An interval in percent, or nothing."""
    return "" if math.isnan(low) or math.isnan(high) else f" [{100 * low:.0f}, {100 * high:.0f}]"


def short_share(value: float) -> str:
    """A share without its leading zero: `.58`, `1`."""
    return f"{value:.2f}".removeprefix("0").removesuffix(".00")


def extent(values: Sequence[int]) -> str:
    """Of values in order the first and the last: `12 to 24`, or the one value."""
    return f"{values[0]}" if values[0] == values[-1] else f"{values[0]} to {values[-1]}"


def time_left(seconds: float) -> str:
    """A time that passes, for people: `40 s`, `12 min`, `3 h 20 min`."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
