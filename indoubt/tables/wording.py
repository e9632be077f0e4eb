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
