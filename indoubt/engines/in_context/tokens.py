"""The tokens of a language model that a symbol of a task can be written as."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable
from functools import cached_property
from typing import Any, Literal

#: Where a prompt's tokens for symbols are drawn from; `own` draws none, it writes the task's own names.
Pool = Literal["words", "letters", "any", "own"]
WORD = re.compile(r" [a-z]{3,8}")
#: How many words there are to draw from: the first ones, which tokenizers that merge by frequency have most often met.
MOST_WORDS = 2000
#: Tokens that are looked at together.
AT_ONCE = 4096


class Tokens:
    """A tokenizer, asked one token at a time: texts are never encoded as a whole, in which pieces could merge.

    A text counts as a token if it is encoded as that alone and read back as it was; the unknown token, which stands for
    many texts, and the special ones are none.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special = {*tokenizer.all_special_ids, tokenizer.unk_token_id}
        self._pools: dict[str, list[int]] = {}

    @property
    def start(self) -> list[int]:
        """The token that every prompt begins with, if the model has one."""
        start = self._tokenizer.bos_token_id
        return [] if start is None else [int(start)]

    def of(self, text: str) -> list[int]:
        """A text's tokens, none added."""
        return [int(i) for i in self._tokenizer.encode(text, add_special_tokens=False)] if text else []

    def one(self, text: str) -> int | None:
        """The token that is this text, or None."""
        return next(iter(self._alone([text])), None)

    def pool(self, kind: Pool) -> list[int]:
        """The tokens of a pool by id: the first 2,000 short words, the letters, or every token that is text."""
        if kind not in self._pools:
            if kind == "letters":
                self._pools[kind] = sorted(self._alone(f" {letter}" for letter in string.ascii_letters))
            else:
                self._pools[kind] = self._alone_of_all(words=kind == "words")
        return self._pools[kind]

    @cached_property
    def largest(self) -> int:
        """The largest id that a token has."""
        return int(max(self._tokenizer.get_vocab().values()))

    def _alone_of_all(self, words: bool) -> list[int]:
        found: list[int] = []
        for first in range(0, self.largest + 1, AT_ONCE):
            ids = range(first, min(first + AT_ONCE, self.largest + 1))
            texts = [self._tokenizer.decode([i]) for i in ids]
            wanted = [(i, text) for i, text in zip(ids, texts, strict=True) if _is_text(text, words)]
            alone = self._alone([text for _, text in wanted])
            found += [i for i, _ in wanted if i in alone]
            if words and len(found) >= MOST_WORDS:
                return found[:MOST_WORDS]
        return found

    def _alone(self, texts: Iterable[str]) -> dict[int, str]:
        """Those of some texts that are one token each."""
        encoded = {text: self.of(text) for text in texts}
        ids = {ids[0]: text for text, ids in encoded.items() if len(ids) == 1 and ids[0] not in self._special}
        return {i: text for i, text in ids.items() if self._tokenizer.decode([i]) == text}


def _is_text(text: str, words: bool) -> bool:
    if words:
        return WORD.fullmatch(text) is not None
    return bool(text.strip()) and "\n" not in text and "\ufffd" not in text
