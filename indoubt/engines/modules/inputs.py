"""What a module is given: source and prefix, or one row of tokens `source <sep> prefix`; padding on the right.

A language model knows one vocabulary: the target dictionary's ids as they are, then the symbols that only the source
has, then `<sep>`. Its logits count from `<sep>` on, and those of the target dictionary alone, so that a code length is
over the same symbols as an encoder-decoder's. An update takes all examples sent so far, or some drawn by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from indoubt.data.vocabulary import PAD, JointVocabulary
from indoubt.engines.fairseq.randomness import drawn_places
from indoubt.engines.fused.batches import Batch, Drawn, Shape, make_batch
from indoubt.training import Training

#: What a module's forward takes: `pair` (source, source_mask, previous) in the ids of two dictionaries, `joint pair`
#: the same in the ids of one vocabulary, `tokens` one row in these ids.
Takes = Literal["pair", "joint pair", "tokens"]


def vocabulary_of(training: Training) -> JointVocabulary:
    """The joint vocabulary of a training's two sides."""
    return JointVocabulary.of(training.source_symbols, training.target_symbols)


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
    takes: Takes, vocabularies: Sequence[JointVocabulary], source: Tensor, lengths: Tensor, previous: Tensor
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


@dataclass(frozen=True)
class ModuleBatch:
    """One update's batch, and what modules are given of it."""

    batch: Batch
    inputs: Inputs


class Batches:
    """The batches of some trainings of one learner, one training per model, padded to `shape`.

    Which examples are drawn is `drawn_places`' decision, as of every engine; rows stand by falling source length.
    """

    def __init__(self, trainings: Sequence[Training], takes: Takes, shape: Shape, device: torch.device) -> None:
        self._trainings, self._takes, self._size = trainings, takes, trainings[0].learner.batch_size
        self._vocabularies = [vocabulary_of(training) for training in trainings]
        sets = [training.examples for training in trainings]
        if self._size is None:
            self._whole = self._given(make_batch(sets, device, shape=shape))
        else:
            self._drawn = Drawn(sets, self._size, shape, device)

    def at(self, update: int) -> ModuleBatch:
        """The batch of an update; its `places` say which example, or which draw, stands in a row."""
        if self._size is None:
            return self._whole
        places = [drawn_places(each.key, update, len(each.examples), self._size) for each in self._trainings]
        return self._given(self._drawn.batch(places))

    def _given(self, batch: Batch) -> ModuleBatch:
        inputs = make_inputs(self._takes, self._vocabularies, batch.source, batch.source_lengths, batch.previous)
        return ModuleBatch(batch, inputs)
