"""The symbols of one side of a dataset by id, in fairseq's order.

A vocabulary starts with fairseq's special symbols, then has the examples' by falling count and by name, and is filled
up to a multiple of eight. (fairseq/data/dictionary.py: finalize, as fairseq-preprocess calls it.)
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from indoubt.data.task import FPA, Pair, Symbols, Task
from indoubt.training import Ids

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")
#: The ids of three of them; `</s>` also starts each output.
PAD, EOS, UNKNOWN = 1, 2, 3
#: A vocabulary is filled up to a multiple of this many symbols, with words of this form.
MULTIPLE, FILLING = 8, "madeupword{:04d}"
#: A symbol that no task may have.
RESERVED = re.compile("|".join([*map(re.escape, SPECIAL), r"madeupword\d+"]))


@dataclass(frozen=True)
class Vocabulary:
    """Symbols by id: special ones, those of examples, and what fills it up."""

    symbols: tuple[str, ...]

    @classmethod
    def of(cls, sentences: Iterable[Symbols], unseen: Iterable[str] = ()) -> Vocabulary:
        """The vocabulary of some sentences, then of symbols that they lack, in the order given."""
        counts = Counter(symbol for sentence in sentences for symbol in sentence)
        ordered = sorted(counts, key=lambda symbol: (-counts[symbol], symbol))
        own = list(dict.fromkeys((*ordered, *unseen)))
        missing = -(len(SPECIAL) + len(own)) % MULTIPLE
        return cls((*SPECIAL, *own, *(FILLING.format(number) for number in range(missing))))

    def __len__(self) -> int:
        return len(self.symbols)

    @cached_property
    def own(self) -> tuple[str, ...]:
        """The symbols that examples have or may be asked for: neither special nor filling."""
        return tuple(symbol for symbol in self.symbols if not RESERVED.fullmatch(symbol))

    def encode(self, sentence: Iterable[str]) -> Ids:
        """A sentence as ids, `</s>` at the end."""
        return (*(self._ids.get(symbol, UNKNOWN) for symbol in sentence), EOS)

    def decode(self, ids: Sequence[int]) -> Symbols:
        """Ids as symbols; `</s>` at the end is left out."""
        return tuple(self.symbols[i] for i in (ids[:-1] if ids and ids[-1] == EOS else ids))

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {symbol: i for i, symbol in enumerate(self.symbols)}


def training_pairs(task: Task, size: int, dataset: str) -> list[Pair]:
    """The examples of a dataset: T, then (unless it is `fpa`) what is sent of H, labelled by the candidate."""
    return task.training_set(size) + (task.holdout_set(size, dataset) if dataset != FPA else [])


def names_unseen(task: Task) -> bool:
    """Whether a task asks for symbols that T lacks, at any size: all its datasets then have the same vocabularies.

    Left to fairseq-preprocess, a vocabulary holds what the dataset's own examples hold, and a symbol that is first met
    when T's learner is asked for it would be unknown there.
    """
    return any(any(task.unseen_symbols(size)) for size in task.sizes)


def vocabularies(task: Task, size: int, dataset: str) -> tuple[Vocabulary, Vocabulary]:
    """Of a dataset's sources and of its targets."""
    named = names_unseen(task)
    pairs = task.training_set(size) if named else training_pairs(task, size, dataset)
    sources, targets = zip(*pairs, strict=True)
    of_sources, of_targets = task.unseen_symbols(size) if named else ((), ())
    return Vocabulary.of(sources, of_sources), Vocabulary.of(targets, of_targets)


@cache
def distinct_vocabularies(task: Task, size: int, datasets: Sequence[str]) -> tuple[tuple[Vocabulary, Vocabulary], ...]:
    """The different pairs of vocabularies that some datasets have: T is trained once for each."""
    return tuple(dict.fromkeys(vocabularies(task, size, dataset) for dataset in datasets))


@dataclass(frozen=True)
class JointVocabulary:
    """One vocabulary of both sides, as a language model has: the target's ids as they are, the source's own, `<sep>`.

    `source_ids[i]` is the joint id of the source's symbol `i`; `symbols` is how many there are, filled up.
    """

    source_symbols: int
    target_symbols: int
    source_ids: tuple[int, ...]
    separator: int
    symbols: int

    @classmethod
    def of(cls, source: Sequence[str], target: Sequence[str]) -> JointVocabulary:
        """Of two vocabularies, each given by its symbols in order; what both have is one symbol."""
        ids = {symbol: i for i, symbol in enumerate(target)}
        size = len(target)
        for symbol in source:
            if symbol not in ids and not RESERVED.fullmatch(symbol):
                ids[symbol] = size
                size += 1
        source_ids = tuple(ids.get(symbol, UNKNOWN) for symbol in source)
        whole = -(-(size + 1) // MULTIPLE) * MULTIPLE
        return cls(len(source), len(target), source_ids, size, whole)

    @property
    def sizes(self) -> tuple[int, int, int]:
        """What decides a module's shapes."""
        return self.source_symbols, self.target_symbols, self.symbols
