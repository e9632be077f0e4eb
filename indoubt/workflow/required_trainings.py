"""From datasets to trainings: which trainings give a seed's FPA and code lengths.

Weights of trained T's are kept by the code that trained them: what is asked later is read off them, not trained again.

    checkpoints/{hash of the engine's code}/{key of the training}.pt
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from indoubt.data.codes import FIRST, RACE, THE_PAPERS, CodeKind, Race, race
from indoubt.data.datasets import Dataset
from indoubt.data.rules import RANDOM
from indoubt.data.task import FPA
from indoubt.engines.checkpoints import load_checkpoint, save_checkpoint
from indoubt.engines.fairseq.randomness import holdout_order
from indoubt.errors import UserError
from indoubt.learner import Learner
from indoubt.training import Decode, Example, Protocol, Score, Training, digest, is_chained
from indoubt.workflow.identity import same_numbers
from indoubt.workflow.ledger import Ledger
from indoubt.workflow.start_trainings import Before

#: Trainings that must be done one after the other; where they are independent, just one.
Chain = list[Training]


@dataclass(frozen=True)
class Cell:
    """One (task, size, learner) with its binarized datasets by name, the size of T and of a block.

    `milestones` says for each seed and dataset after which updates, beside the end, what is asked is asked too;
    `before` is what the learner has learned before, by the vocabularies of the datasets; `code` how code lengths are
    measured.

    Beside what is asked of it, a training gives the scores of all later blocks, and T's of all blocks of all datasets
    of which it is the same training: they take next to no time, and are there when coarser blocks, or the first blocks
    of more rules, are asked for.
    """

    datasets: Mapping[str, Dataset]
    n_training: int
    block_size: int
    learner: Learner
    protocol: Protocol
    milestones: Mapping[int, Mapping[str, Sequence[int]]] = field(default_factory=dict)
    before: Before | None = None
    code: CodeKind = THE_PAPERS
    _sent: dict[tuple[str, int], tuple[Score, ...]] = field(default_factory=dict, init=False, repr=False)

    @property
    def chained(self) -> bool:
        """Whether one seed's blocks must be trained one after the other."""
        return is_chained(self.learner, self.protocol)

    def blocks(self, dataset: str, seed: int) -> list[tuple[Example, ...]]:
        """T and the hold-out in blocks, in the seed's order of sending.

        Raises:
            UserError: the dataset is shorter than T.
        """
        examples = self.datasets[dataset].examples
        if len(examples) < self.n_training:
            raise UserError(f"dataset {dataset!r} has {len(examples)} examples, fewer than T's {self.n_training}")
        holdout = examples[self.n_training :]
        order = [holdout[place] for place in holdout_order(seed, len(holdout))]
        return [
            tuple(examples[: self.n_training]),
            *(tuple(order[at : at + self.block_size]) for at in range(0, len(order), self.block_size)),
        ]

    def training(self, dataset: str, seed: int, block: int) -> Training:
        """The training on blocks 0..`block` of a dataset, asked for the scores of the blocks up to the next training's;
        on `fpa`, for decoding.
        """
        data = self.datasets[dataset]
        blocks = self.blocks(dataset, seed)
        updates = [*self.milestones.get(seed, {}).get(dataset, ()), None]
        scored = [Score(each, at) for each in blocks[block + 1 : self._end(len(blocks) - 1, block)] for at in updates]
        return Training(
            self.learner,
            self.protocol,
            seed,
            data.source_vocabulary.symbols,
            data.target_vocabulary.symbols,
            tuple(blocks[: block + 1]),
            self._context(data) if self.chained else None,
            tuple(scored),
            tuple(Decode(data.test_sources, self.protocol.min_len, at=at) for at in updates if dataset == FPA),
            self._beside(dataset, seed, block),
            self.before.training(seed, self.protocol, data) if self.before is not None else None,
        )

    def _beside(self, dataset: str, seed: int, block: int) -> tuple[Score, ...]:
        """The scores that the training gives too: of the blocks after the next one, and of T's of all that share it."""
        sent = self._scores(dataset, seed)
        later = sent[self._end(len(sent), block) - 1 :]
        if block > 0 or self.chained:
            return later
        others = (name for name in self.datasets if name != dataset and self._share_t(name, dataset))
        return later + tuple(score for name in others for score in self._scores(name, seed))

    def _end(self, n_blocks: int, block: int) -> int:
        """The first block that a training on blocks up to `block` is not asked for."""
        following = [each for each in self.code.trained(n_blocks) if each > block]
        return following[0] + 1 if following else block + 2 if self.code.codes == FIRST else n_blocks + 1

    def _scores(self, dataset: str, seed: int) -> tuple[Score, ...]:
        """The scores of all hold-out blocks, in the seed's order, at the end of a training."""
        if (dataset, seed) not in self._sent:
            self._sent[dataset, seed] = tuple(map(Score, self.blocks(dataset, seed)[1:]))
        return self._sent[dataset, seed]

    def _share_t(self, one: str, other: str) -> bool:
        """Whether T is one training for two datasets: the same examples, by the same dictionaries."""
        a, b = self.datasets[one], self.datasets[other]
        same = (a.source_vocabulary.symbols, a.target_vocabulary.symbols) == (
            b.source_vocabulary.symbols,
            b.target_vocabulary.symbols,
        )
        return same and a.examples[: self.n_training] == b.examples[: self.n_training]

    def _context(self, data: Dataset) -> tuple[int, str]:
        """What decides the results of a chain beside the examples sent so far."""
        return len(data.examples) - self.n_training, digest([[e.source, e.target] for e in data.examples])

    def sequence(self, dataset: str, seed: int) -> list[Training]:
        """All trainings of a dataset: T, then T and ever more blocks; where there is no hold-out, T alone."""
        n_blocks = len(self.blocks(dataset, seed))
        return self.trainings(dataset, seed, range(max(n_blocks - 1, 1)))

    def trainings(self, dataset: str, seed: int, blocks: Iterable[int]) -> list[Training]:
        """The trainings of a dataset on each of the given blocks that has one: `fpa` has block 0 alone.

        The last block is never trained on, since nothing is left to score.
        """
        trained = [0] if dataset == FPA else self.code.trained(len(self.blocks(dataset, seed)) - 1)
        return [self.training(dataset, seed, block) for block in blocks if block in trained]


def chains(cell: Cell, requests: Sequence[tuple[str, int]], blocks: Iterable[int]) -> list[Chain]:
    """All trainings that some requests need, each once, as chains that can be trained independently of one another.

    Args:
        requests: (dataset, seed) pairs, in the order of training.
        blocks: which blocks to train on; where trainings are chained it must hold them all from 0 on.

    Trainings of the same identity (T, under all candidates) are put together, with all that is asked of them.
    """
    blocks = list(blocks)
    return _merged(cell, [cell.trainings(dataset, seed, blocks) for dataset, seed in requests])


def _merged(cell: Cell, sequences: list[Chain]) -> list[Chain]:
    """The trainings of some requests as chains, each once."""
    if cell.chained:
        return sequences
    merged: dict[str, Training] = {}
    for training in itertools.chain.from_iterable(sequences):
        known = merged.get(training.key)
        merged[training.key] = training if known is None else _together(known, training)
    return [[training] for training in merged.values()]


def required(cell: Cell, requests: Sequence[tuple[str, int]], blocks: Iterable[int], ledger: Ledger) -> list[Chain]:
    """The same, as far as it can be told by what a ledger holds: of a race what takes part so far, and what comes next.

    Once all of it is in the ledger, there is no more.
    """
    if cell.code.codes != RACE:
        return chains(cell, requests, blocks)
    taking_part = _raced(cell, requests, ledger)
    sequences = []
    for dataset, seed in requests:
        trainings = cell.trainings(dataset, seed, blocks)
        n = taking_part.get((dataset, seed), len(trainings))
        sequences.append(trainings if cell.chained and n > 1 else trainings[:n])  # a chain cannot be continued later
    return _merged(cell, sequences)


def counted(
    cell: Cell, requests: Sequence[tuple[str, int]], blocks: Iterable[int], ledger: Ledger
) -> Iterator[tuple[str, int, Chain]]:
    """For each request (dataset, seed) the trainings that count for it: of a race those that take part in it, however
    many more the ledger holds.
    """
    taking_part = _raced(cell, requests, ledger) if cell.code.codes == RACE else {}
    for dataset, seed in requests:
        trainings = cell.trainings(dataset, seed, blocks)
        yield dataset, seed, trainings[: taking_part.get((dataset, seed), len(trainings))]


def _raced(cell: Cell, requests: Sequence[tuple[str, int]], ledger: Ledger) -> dict[tuple[str, int], int]:
    """How many trainings of each rule and seed take part in the seed's race; `random` is no rule, and sent whole."""
    rules: dict[int, list[str]] = {}
    for dataset, seed in requests:
        if dataset not in (FPA, RANDOM):
            rules.setdefault(seed, []).append(dataset)
    return {
        (rule, seed): n
        for seed, contenders in rules.items()
        for rule, n in race_of(cell, seed, contenders, ledger).parts.items()
    }


def race_of(cell: Cell, seed: int, rules: Sequence[str], ledger: Ledger) -> Race:
    """Where the race of a seed's rules stands, by what a ledger holds."""
    sequences = {rule: cell.sequence(rule, seed) for rule in rules}

    def known(rule: str, part: int) -> float | None:
        training = sequences[rule][part]
        result = ledger.find(training)
        if result is None:
            return None
        return math.fsum(result.nats.get(score.key, math.inf) for score in training.scores)

    return race(rules, len(sequences[rules[0]]), known)


def _together(one: Training, other: Training) -> Training:
    """One training with what is asked of two of the same identity."""
    scores = {score.key: score for score in (*one.scores, *other.scores)}
    decodes = {request.key: request for request in (*one.decodes, *other.decodes)}
    beside = dict.fromkeys((*one.beside, *other.beside))  # by content, which takes less than their keys
    return replace(one, scores=tuple(scores.values()), decodes=tuple(decodes.values()), beside=tuple(beside))


def kept_at(folder: Path, code: str, training: Training) -> Path | None:
    """Where the weights of a training by some code, or by earlier code with the same numbers, are kept, if they are."""
    paths = (folder / each / f"{training.key}.pt" for each in same_numbers(code))
    return next((path for path in paths if path.exists()), None)


def keeper(folder: Path, code: str) -> Callable[[Training, torch.nn.Module], None]:
    """What an engine calls with each trained model: it keeps T's."""

    def keep(training: Training, model: torch.nn.Module) -> None:
        if training.block == 0:
            save_checkpoint(folder / code / f"{training.key}.pt", training, model)

    return keep


def kept_models(
    folder: Path, code: str, missing: Sequence[Chain], ledger: Ledger, device: torch.device
) -> Iterator[tuple[Training, torch.nn.Module]]:
    """The trainings of which more is asked and whose weights were kept, with these as models.

    They are trainings by this code that the ledger has: of others nobody knows what trained them. What was kept is the
    end of a training, so milestones must be there. A file that cannot be read is said so, and its training done again.
    """
    for chain in missing:
        path = kept_at(folder, code, chain[0])
        if len(chain) > 1 or path is None or not ledger.results(chain[0]) or not ledger.has_milestones(chain[0]):
            continue
        try:
            yield chain[0], load_checkpoint(path).model(device)
        except UserError as error:
            print(f"warning: {error}; T is trained again", file=sys.stderr)
