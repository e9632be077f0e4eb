"""Greedy decoding of modules that know no state: outputs are guessed to go on as they went, and the guess is verified.

One forward pass over a guessed output says what the module would have given at each of its places. What agrees is
accepted, with the first symbol that does not; so the outputs are those of going symbol by symbol, in a fraction of the
passes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from doubt.engines.fused.arrays.batch import EOS, PAD, make_batch, shape_of
from doubt.engines.fused.plan import canonical
from doubt.engines.modules.inputs import Takes, Vocabulary, make_inputs
from doubt.engines.modules.models import Models, filled_up
from doubt.training import Decode, Example

#: The longest period that is looked for in an output, and how many symbols are guessed at first.
LONGEST_PERIOD, FIRST_GUESS = 4, 4


@dataclass
class _Output:
    """The output of a row so far, if it was `asked` for; `guess` is how many symbols are guessed next."""

    asked: bool
    ended: bool
    symbols: list[int] = field(default_factory=list)
    guess: int = FIRST_GUESS

    def guessed(self, longest: int) -> list[int]:
        """How it may go on: with its shortest period, or its last symbol."""
        symbols = self.symbols
        count = min(self.guess, longest - len(symbols) - 1)
        if self.ended or not symbols or count <= 0:
            return []
        periods = range(1, LONGEST_PERIOD + 1)
        period = next((k for k in periods if len(symbols) >= 2 * k and symbols[-k:] == symbols[-2 * k : -k]), 1)
        return [symbols[-period + i % period] for i in range(count)]

    def accept(self, guess: Sequence[int], given: Sequence[int], longest: int) -> None:
        """Take what the module gave after each prefix of a guess, up to where it gave something else."""
        agreed = 0
        while agreed < len(guess) and given[agreed] == guess[agreed]:
            agreed += 1
        new = list(given[: agreed + 1])
        if EOS in new:
            new, self.ended = new[: new.index(EOS)], True
        self.symbols += new
        self.ended = self.ended or len(self.symbols) >= longest
        self.guess = 2 * self.guess if agreed == len(guess) else FIRST_GUESS


class _Decoding:
    """Some models' decodings of as many sources each, in progress."""

    def __init__(
        self, models: Models, takes: Takes, vocabularies: Sequence[Vocabulary], decodes: Sequence[Decode]
    ) -> None:
        self._models, self._takes, self._vocabularies = models, takes, vocabularies
        self._device = models.weights.flat.device
        self._least, self._longest = decodes[0].min_len, decodes[0].max_len
        sets = [[Example(source, ()) for source in decode.sources] for decode in decodes]
        self._batch = make_batch(sets, self._device, shape=canonical(shape_of(sets[0]), self._device))
        n_sources = len(sets[0])
        self.outputs = [
            [_Output(place < n_sources, place >= n_sources or self._longest == 0) for place in places]
            for places in self._batch.places
        ]

    def run(self) -> list[list[list[int]]]:
        """Each model's outputs, in the order in which their sources were given."""
        while waiting := [m for m, rows in enumerate(self.outputs) if not all(output.ended for output in rows)]:
            alike: dict[int, list[int]] = defaultdict(list)
            guesses = {}
            for m in waiting:
                guesses[m] = [output.guessed(self._longest) for output in self.outputs[m]]
                alike[self._times(max(map(len, self._prefixes(m, guesses[m]))))].append(m)
            for times, some in alike.items():
                self._verify(some, times, guesses)
        results: list[list[list[int]]] = []
        for outputs, places in zip(self.outputs, self._batch.places, strict=True):
            by_place = dict(zip(places, outputs, strict=True))
            results.append([by_place[place].symbols for place in range(len(places)) if by_place[place].asked])
        return results

    def _prefixes(self, m: int, guesses: Sequence[Sequence[int]]) -> list[list[int]]:
        """What a model's rows are given; an output that has ended need not be run again."""
        pairs = zip(self.outputs[m], guesses, strict=True)
        return [[EOS] if output.ended else [EOS, *output.symbols, *guess] for output, guess in pairs]

    def _times(self, needed: int) -> int:
        """What prefixes are padded to: a power of two, so that models, which must not know of each other, share."""
        return min(max(8, 1 << (needed - 1).bit_length()), self._longest + self._longest % 2)

    def _verify(self, some: Sequence[int], times: int, guesses: Mapping[int, Sequence[Sequence[int]]]) -> None:
        """One forward pass of some models over their guesses, padded to so many times; accept what agrees."""
        chosen = [some[each] for each in filled_up(range(len(some)), self._models.together, self._device)]
        previous = torch.full((len(chosen), len(self.outputs[0]), times), PAD)
        for place, m in enumerate(chosen):
            for row, prefix in enumerate(self._prefixes(m, guesses[m])):
                previous[place, row, : len(prefix)] = torch.tensor(prefix)
        index = torch.tensor(chosen, device=self._device)
        source, lengths = self._batch.source[index], self._batch.source_lengths[index]
        vocabularies = [self._vocabularies[m] for m in chosen]
        inputs = make_inputs(self._takes, vocabularies, source, lengths, previous.to(self._device))
        logits = self._models.select(chosen).logits(inputs, None)
        logits[..., PAD] = -torch.inf
        logits[:, :, : self._least, EOS] = -torch.inf
        for m, rows in zip(some, logits.argmax(-1).tolist(), strict=False):  # those that fill up come last
            for output, guess, given in zip(self.outputs[m], guesses[m], rows, strict=True):
                if not output.ended:
                    output.accept(guess, given[len(output.symbols) :], self._longest)


@torch.no_grad()
def decode_sources(
    models: Models, takes: Takes, vocabularies: Sequence[Vocabulary], decodes: Sequence[Decode]
) -> list[list[list[int]]]:
    """For each model and source the most likely symbols, one after another, without `</s>`.

    Padding is never chosen, `</s>` not before `min_len` symbols. (fairseq/sequence_generator.py with beam 1)

    Args:
        models: as many as there are requests.
        decodes: as many sources in each, and the same least and largest number of symbols.
    """
    return _Decoding(models, takes, vocabularies, decodes).run()
