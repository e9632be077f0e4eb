"""What a module is given: source and prefix, or one row of tokens `source <sep> prefix`; padding on the right.

A language model knows one vocabulary: the target dictionary's ids as they are, then the symbols that only the source
has, then `<sep>`. Its logits count from `<sep>` on, and those of the target dictionary alone, so that a code length is
over the same symbols as an encoder-decoder's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from doubt.engines.fused.arrays.batch import PAD
from doubt.training import Training

#: What a module's forward takes: `pair` (source, source_mask, previous) in the ids of two dictionaries, `joint pair`
#: the same in the ids of one vocabulary, `tokens` one row in these ids.
Takes = Literal["pair", "joint pair", "tokens"]
#: fairseq pads dictionaries to a multiple of this many symbols, and so is the joint vocabulary.
PADDING_FACTOR = 8
#: What fairseq calls the symbols that fill a dictionary up, and how many special ones come first.
FILLING, SPECIAL = "madeupword", 4


@dataclass(frozen=True)
class Vocabulary:
    """The sizes that a module is built for, and the joint ids of the source's symbols.

    `source_ids[i]` is the joint id of the source dictionary's symbol `i`; `symbols` is the joint vocabulary's size.
    """

    source_symbols: int
    target_symbols: int
    source_ids: tuple[int, ...]
    separator: int
    symbols: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        """What decides a module's shapes."""
        return self.source_symbols, self.target_symbols, self.symbols


def joint_vocabulary(source: Sequence[str], target: Sequence[str]) -> Vocabulary:
    """The vocabulary of two dictionaries, each given by its symbols in order; what both have is one symbol."""
    ids = {symbol: i for i, symbol in enumerate(target)}
    size = len(target)
    for symbol in source[SPECIAL:]:
        if symbol not in ids and not symbol.startswith(FILLING):
            ids[symbol] = size
            size += 1
    unknown = 3
    source_ids = tuple(ids.get(symbol, unknown) for symbol in source)
    whole = -(-(size + 1) // PADDING_FACTOR) * PADDING_FACTOR
    return Vocabulary(len(source), len(target), source_ids, size, whole)


def vocabulary_of(training: Training) -> Vocabulary:
    """The vocabulary of a training's own dictionaries."""
    return joint_vocabulary(training.source_symbols, training.target_symbols)


@dataclass(frozen=True)
class Inputs:
    """Tensors with a leading model axis.

    Attributes:
        given: what forward takes, each (models, batch, time): source, mask and previous, or tokens.
        where: (models, batch, target time), where in `tokens` each symbol of the target is predicted; None for pairs.
    """

    given: tuple[Tensor, ...]
    where: Tensor | None


def make_inputs(
    takes: Takes, vocabularies: Sequence[Vocabulary], source: Tensor, lengths: Tensor, previous: Tensor
) -> Inputs:
    """What modules are given for sources and prefixes.

    Args:
        vocabularies: one per model.
        source: (models, batch, source time) ids that end in `</s>`.
        lengths: (models, batch), symbols of each source, `</s>` included.
        previous: (models, batch, target time) ids that start with `</s>`.
    """
    mask = torch.arange(source.size(2), device=source.device) < lengths[..., None]
    if takes == "pair":
        return Inputs((source, mask, previous), None)
    ids = torch.tensor([vocabulary.source_ids for vocabulary in vocabularies], device=source.device)
    joint = ids.gather(1, source.flatten(1)).view_as(source)
    if takes == "joint pair":
        return Inputs((joint, mask, previous), None)
    where = lengths[..., None] - 1 + torch.arange(previous.size(2), device=source.device)
    length = source.size(2) - 1 + previous.size(2)
    length += length % 2  # an even number, as all times are: no model then has a part in a vectorised loop's tail
    tokens = torch.full((*source.shape[:2], length), PAD, device=source.device)
    tokens[..., : source.size(2)] = joint
    separators = torch.tensor([vocabulary.separator for vocabulary in vocabularies], device=source.device)
    after = previous.clone()
    after[..., 0] = separators[:, None]
    return Inputs((tokens.scatter(2, where, after),), where)
