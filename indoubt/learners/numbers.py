"""Numbers as they are written: 0 and 0.0, 64 and 64.0 are one number, so learners that differ in that alone are one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from indoubt.data.literals import value_of

#: A number that is written as a text, and one that YAML takes for a text: it wants `1.0e-5` for `1e-5`.
NUMERAL = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
UNREAD = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")


def is_number(value: Any) -> bool:
    """Whether a value is a number, which true and false are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def spelled_as(value: Any, example: Any, annotation: Any = None) -> Any:
    """A number with a decimal point or without: as its example has it, else as its annotation says, else without.

    A text is a number where a number is expected, and `1e-5` is one unless a text is expected.

    Args:
        value: a number, or lists and mappings with numbers in them; anything else is left as it is.
        example: the default of the argument whose value it is, in the same form.
        annotation: the type that the argument is said to have.
    """
    if isinstance(value, list | tuple):
        like = next((each for each in example if isinstance(each, float)), None) if isinstance(example, list) else None
        return [spelled_as(each, like, annotation) for each in value]
    if isinstance(value, Mapping):
        known = example if isinstance(example, Mapping) else {}
        return {name: spelled_as(each, known.get(name)) for name, each in value.items()}
    said = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    if isinstance(value, str) and not isinstance(example, str) and "str" not in said:
        expected = is_number(example) or "float" in said or "int" in said
        value = float(value) if (NUMERAL if expected else UNREAD).fullmatch(value) else value
    if not is_number(value):
        return value
    if isinstance(example, float) or (not is_number(example) and "float" in said):
        return float(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def one_spelling(value: Any) -> Any:
    """A value such that two of them are equal, and have the same hash, where they differ in how numbers are written.

    A text that is a tuple or list of numbers, as fairseq takes `adam_betas`, is one of numbers too.
    """
    if isinstance(value, str):
        try:
            read = value_of(value) if value[:1] in ("(", "[") else value
        except ValueError:
            read = value
        return value if isinstance(read, str) else one_spelling(read)
    if isinstance(value, list | tuple):
        return [one_spelling(each) for each in value]
    if isinstance(value, Mapping):
        return {name: one_spelling(each) for name, each in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def decimal_pair(betas: str) -> str:
    """fairseq's `adam_betas` with decimal points: `(0, 0.999)` as `(0.0, 0.999)`; what is no such pair as it is."""
    try:
        return str(tuple(float(beta) for beta in value_of(betas)))
    except (ValueError, TypeError):
        return betas
