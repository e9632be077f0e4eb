"""fairseq's dictionaries of ordered symbols."""

from __future__ import annotations

from functools import lru_cache

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

from fairseq.data import Dictionary

from indoubt.training import Training


@lru_cache(maxsize=64)
def dictionary_of(symbols: tuple[str, ...]) -> Dictionary:
    """The dictionary that has these symbols in this order."""
    dictionary = Dictionary()
    if symbols[: dictionary.nspecial] != tuple(dictionary.symbols):
        raise ValueError(f"a dictionary starts with {dictionary.symbols}, this one with {symbols[:4]}")
    for symbol in symbols[dictionary.nspecial :]:
        dictionary.add_symbol(symbol)
    return dictionary


def dictionaries_of(training: Training) -> tuple[Dictionary, Dictionary]:
    """A training's source and target dictionaries."""
    return dictionary_of(training.source_symbols), dictionary_of(training.target_symbols)
