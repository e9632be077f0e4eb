"""From datasets to trainings: which trainings give a seed's FPA and code lengths."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from indoubt.data.binary import Dataset
from indoubt.data.task import FPA
from indoubt.engines.fairseq.randomness import holdout_order
from indoubt.errors import UserError
from indoubt.training import Decode, Example, Learner, Protocol, Score, Training, digest, is_chained

#: Trainings that must be done one after the other; where they are independent, just one.
Chain = list[Training]


@dataclass(frozen=True)
class Cell:
    """One (task, size, learner) with its binarized datasets by name, the size of T and of a block.

    `milestones` says for each seed and dataset after which updates, beside the end, what is asked is asked too.
    """

    datasets: Mapping[str, Dataset]
    n_training: int
    block_size: int
    learner: Learner
    protocol: Protocol
    milestones: Mapping[int, Mapping[str, Sequence[int]]] = field(default_factory=dict)

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
        """The training on blocks 0..`block` of a dataset, asked for the next block's score; on `fpa`, for decoding."""
        data = self.datasets[dataset]
        blocks = self.blocks(dataset, seed)
        updates = [*self.milestones.get(seed, {}).get(dataset, ()), None]
        scored, decoded = block + 1 < len(blocks), dataset == FPA
        return Training(
            self.learner,
            self.protocol,
            seed,
            data.source_vocabulary.symbols,
            data.target_vocabulary.symbols,
            tuple(blocks[: block + 1]),
            self._context(data) if self.chained else None,
            tuple(Score(blocks[block + 1], at) for at in updates) if scored else (),
            tuple(Decode(data.test_sources, self.protocol.min_len, at=at) for at in updates) if decoded else (),
        )

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
        last = 0 if dataset == FPA else len(self.blocks(dataset, seed)) - 2
        return [self.training(dataset, seed, block) for block in blocks if block <= last]


def chains(cell: Cell, requests: Sequence[tuple[str, int]], blocks: Iterable[int]) -> list[Chain]:
    """All trainings that some requests need, each once, as chains that can be trained independently of one another.

    Args:
        requests: (dataset, seed) pairs, in the order of training.
        blocks: which blocks to train on; where trainings are chained it must hold them all from 0 on.

    Trainings of the same identity (T, under all candidates) are put together, with all that is asked of them.
    """
    blocks = list(blocks)
    if cell.chained:
        return [cell.trainings(dataset, seed, blocks) for dataset, seed in requests]
    merged: dict[str, Training] = {}
    for dataset, seed in requests:
        for training in cell.trainings(dataset, seed, blocks):
            known = merged.get(training.key)
            merged[training.key] = training if known is None else _together(known, training)
    return [[training] for training in merged.values()]


def _together(one: Training, other: Training) -> Training:
    """One training with what is asked of two of the same identity."""
    scores = {score.key: score for score in (*one.scores, *other.scores)}
    decodes = {request.key: request for request in (*one.decodes, *other.decodes)}
    return replace(one, scores=tuple(scores.values()), decodes=tuple(decodes.values()))
