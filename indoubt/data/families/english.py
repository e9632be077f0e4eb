"""A small English with number: noun phrases, and who they agree with. Made for this project."""

from __future__ import annotations

from indoubt.data.task import Symbols

DETERMINERS = ("the", "my")
SINGULAR, PLURAL = ("dog", "cat", "bird"), ("dogs", "cats", "birds")


def noun_phrases() -> list[Symbols]:
    """`the dog`, `the dogs`, ... `my birds`: twelve of them."""
    return [(determiner, noun) for determiner in DETERMINERS for noun in (*SINGULAR, *PLURAL)]


def is_plural(word: str) -> bool:
    """Whether a noun is in the plural."""
    return word in PLURAL
