"""How examples are written as tokens: the format, the token of each symbol, and the order of T in the prompt.

    arrow       a a a -> b b
    labels     Input: a a a
               Output: b b

Each symbol is one token, drawn anew for every seed. A prompt is built of ids and never by encoding a whole text, in
which tokens could merge.
"""

from __future__ import annotations

import hashlib
import random
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

from indoubt.data.vocabulary import RESERVED
from indoubt.errors import UserError
from indoubt.training import Example, Ids, Training

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
        tokens: list[int] = []
        for first in range(0, self.largest + 1, AT_ONCE):
            ids = range(first, min(first + AT_ONCE, self.largest + 1))
            texts = [self._tokenizer.decode([i]) for i in ids]
            candidates = [(i, text) for i, text in zip(ids, texts, strict=True) if _is_text(text, words)]
            alone = self._alone([text for _, text in candidates])
            tokens += [i for i, _ in candidates if i in alone]
            if words and len(tokens) >= MOST_WORDS:
                return tokens[:MOST_WORDS]
        return tokens

    def _alone(self, texts: Iterable[str]) -> dict[int, str]:
        """Those of some texts that are one token each."""
        encoded = {text: self.of(text) for text in texts}
        ids = {ids[0]: text for text, ids in encoded.items() if len(ids) == 1 and ids[0] not in self._special}
        return {i: text for i, text in ids.items() if self._tokenizer.decode([i]) == text}


def _is_text(text: str, words: bool) -> bool:
    if words:
        return WORD.fullmatch(text) is not None
    return bool(text.strip()) and "\n" not in text and "\ufffd" not in text


@dataclass(frozen=True)
class Format:
    """The texts around an example's symbols, and what stands before all examples."""

    before: str
    between: str
    end: str
    instruction: str = ""


FORMATS = {
    "arrow": Format("", " ->", "\n"),
    "labels": Format("Input:", "\nOutput:", "\n"),
    "instructed": Format("Input:", "\nOutput:", "\n", "One rule turns each input into its output.\n"),
}


def format_of(named: str | Mapping[str, str]) -> Format:
    """The format that a learner names, or gives by its texts."""
    return FORMATS[named] if isinstance(named, str) else Format(**named)


@dataclass(frozen=True)
class Prompt:
    """What one seed's examples are written as, and what has been written of them.

    Attributes:
        start: ids of all that stands before what is asked: T, as often as the learner has it.
        alphabet: ids of the symbols that an output may have, by their names, then that of the end.
        source, target: the token of each symbol by its id in the dictionaries; -1 where it has none.
    """

    start: tuple[int, ...]
    alphabet: tuple[int, ...]
    source: tuple[int, ...]
    target: tuple[int, ...]
    before: tuple[int, ...]
    between: tuple[int, ...]
    end: int

    def asked(self, source: Ids) -> list[int]:
        """An input, up to where its output begins."""
        return [*self.before, *(self.source[symbol] for symbol in source[:-1]), *self.between]

    def said(self, target: Ids) -> list[int]:
        """An output and its end."""
        return [*(self.target[symbol] for symbol in target[:-1]), self.end]

    def example(self, example: Example) -> list[int]:
        """An input with its output."""
        return self.asked(example.source) + self.said(example.target)

    def after(self, examples: Iterable[Example]) -> Prompt:
        """The prompt with further examples behind T."""
        return replace(self, start=(*self.start, *(i for each in examples for i in self.example(each))))

    @cached_property
    def symbols(self) -> dict[int, int]:
        """The symbol of the target's dictionary that each token of the alphabet is; the end is none."""
        return {token: symbol for symbol, token in enumerate(self.target) if token >= 0}


class Writer:
    """Writes a learner's prompts.

    Args:
        arguments: `format`, `symbols`, `copies` and `order`, as the learner has them.
        folder: what messages call the model.

    Raises:
        UserError: the format's end is not one token, or nothing stands between an input and its output.
    """

    def __init__(self, tokens: Tokens, arguments: Mapping[str, Any], folder: str) -> None:
        texts = format_of(arguments["format"])
        self._tokens, self._folder = tokens, folder
        self._pool: Pool = arguments["symbols"]
        self._copies, self._drawn = int(arguments["copies"]), arguments["order"] == "drawn"
        self.head = (*tokens.start, *tokens.of(texts.instruction))
        self.before, self.between = tuple(tokens.of(texts.before)), tuple(tokens.of(texts.between))
        if not self.between:
            raise UserError("format: `between` is empty, so that nothing tells an input from its output; give a text")
        end = tokens.of(texts.end)
        if len(end) != 1:
            raise UserError(
                f"format: the end {texts.end!r} is {len(end)} tokens of {folder!r}; give an end that is one"
            )
        self.end = end[0]

    @property
    def around(self) -> int:
        """How many tokens of an example are none of its symbols."""
        return len(self.before) + len(self.between) + 1

    def tokens_of(self, names: Iterable[str], seed: int, task: str = "") -> dict[str, int]:
        """The token of each symbol, by the symbols' names and the seed alone.

        Args:
            task: what a message says of where the symbols are from.

        Raises:
            UserError: there are fewer tokens than symbols, or, of own names, one is no token.
        """
        ordered, where = sorted(set(names)), f" of {task}" if task else ""
        taken = {*self.head, *self.before, *self.between, self.end}
        if self._pool == "own":
            return {name: self._own(name, where, taken) for name in ordered}
        pool = [i for i in self._tokens.pool(self._pool) if i not in taken]
        if len(pool) < len(ordered):
            other = "words" if self._pool == "letters" else "any"
            hint = f"; use symbols: {other}" if self._pool != "any" else ""
            raise UserError(
                f"there are {len(ordered)} symbols{where}, and {len(pool)} {self._pool} among the tokens of "
                f"{self._folder!r}{hint}"
            )
        return dict(zip(ordered, _stream(f"in-context/symbols/{seed}").sample(pool, len(ordered)), strict=True))

    def _own(self, name: str, where: str, taken: set[int]) -> int:
        token = self._tokens.one(f" {name}")
        if token is None or token in taken:
            what = "part of the format" if token is not None else f"{len(self._tokens.of(f' {name}'))} tokens"
            raise UserError(
                f"symbol {name!r}{where} is {what} of {self._folder!r}; use symbols: words, which draws one token for "
                "each"
            )
        return token

    def prompt(self, training: Training) -> Prompt:
        """The prompt of a training's seed, with T.

        Raises:
            UserError: an example has a symbol that the dictionaries lack.
        """
        sides = training.source_symbols, training.target_symbols
        names = [[None if RESERVED.fullmatch(symbol) else symbol for symbol in side] for side in sides]
        of_name = self.tokens_of([name for side in names for name in side if name is not None], training.seed)
        source, target = (tuple(-1 if name is None else of_name[name] for name in side) for side in names)
        alphabet = [of_name[name] for name in sorted(name for name in names[1] if name is not None)]
        empty = Prompt(self.head, (*alphabet, self.end), source, target, self.before, self.between, self.end)
        _check_known(training, empty)
        written = [*training.blocks[0]] * self._copies
        if self._drawn:
            _stream(f"in-context/T/{training.seed}").shuffle(written)
        return empty.after(written)


def _check_known(training: Training, prompt: Prompt) -> None:
    scored = [example for score in training.scores for example in score.examples]
    sources = [example.source for example in (*training.examples, *scored)]
    sources += [source for decode in training.decodes for source in decode.sources]
    targets = [example.target for example in (*training.examples, *scored)]
    for sequences, tokens in ((sources, prompt.source), (targets, prompt.target)):
        if any(tokens[symbol] < 0 for sequence in sequences for symbol in sequence[:-1]):
            raise UserError(
                "an input or output holds a symbol that T's dictionary lacks, so that no token stands for it; have the "
                "task name it in `unseen_symbols`"
            )


def _stream(name: str) -> random.Random:
    return random.Random(hashlib.sha256(name.encode()).digest())
