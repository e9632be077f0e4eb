"""How numbers are written for people: in tables, on the page, in the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable


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
