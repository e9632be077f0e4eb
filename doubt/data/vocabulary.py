"""fairseq dictionaries to and from their ordered symbols."""

from __future__ import annotations

from functools import lru_cache

import doubt.data.compat  # noqa: F401  (must come before fairseq)

from fairseq.data import Dictionary


def symbols_of(dictionary: Dictionary) -> tuple[str, ...]:
    """All symbols by id, special and padding ones included."""
    return tuple(dictionary.symbols)


@lru_cache(maxsize=64)
def dictionary_of(symbols: tuple[str, ...]) -> Dictionary:
    """The dictionary that has these symbols in this order."""
    dictionary = Dictionary()
    if symbols[: dictionary.nspecial] != tuple(dictionary.symbols):
        raise ValueError(f"a dictionary starts with {dictionary.symbols}, this one with {symbols[:4]}")
    for symbol in symbols[dictionary.nspecial :]:
        dictionary.add_symbol(symbol)
    return dictionary
