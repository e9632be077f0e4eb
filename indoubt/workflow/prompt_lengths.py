"""What reading in context takes: tokens of prompts, and whether a model reads as many; nothing is trained there."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache
from statistics import fmean

from indoubt.data.task import FPA, Pair, Task
from indoubt.errors import UserError
from indoubt.learner import InContextLearner, LookedAt
from indoubt.training import Decode

#: By how much a token that is decoded takes longer than one that is read: outputs go on token by token.
DECODED = 3.0
#: Weights that are drawn in a second, where each seed has weights of its own.
DRAWN = 1e8
#: Symbols of an output, at most.
LONGEST_OUTPUT = Decode.max_len


@dataclass(frozen=True)
class PromptLengths:
    """Tokens of a learner's prompts on one (task, size)."""

    task: Task
    size: int
    learner: InContextLearner
    model: LookedAt

    @property
    def prompt(self) -> int:
        """All that stands before what is asked: T, as often as it is given."""
        return self.model.head + int(self.learner.arguments["copies"]) * self._of(_training_set(self.task, self.size))

    def block(self, block: int) -> float:
        """A block of the hold-out, in the mean over candidates; the first is 1."""
        scored, width = self.task.scored_inputs(self.size), self.task.block_size_at(self.size)
        share = min(width, max(len(scored) - (block - 1) * width, 0)) / max(len(scored), 1)
        return share * fmean(self._of(_holdout_set(self.task, self.size, each)) for each in self.task.candidates)

    @property
    def decoded(self) -> int:
        """All inputs that are asked, with outputs as long as the longest rule's."""
        inputs = self.task.test_inputs(self.size)
        rules = self.task.candidates.values()
        outputs = sum(max(len(rule(source, self.size)) for rule in rules) for source in inputs)
        return len(inputs) * self.model.around + sum(map(len, inputs)) + outputs

    def longest(self, datasets: Iterable[str]) -> int:
        """The longest that is read at once."""
        longest_input = max(map(len, self.task.test_inputs(self.size)))
        behind = [
            longest_input + self.model.around + LONGEST_OUTPUT
            if dataset == FPA
            else self._of(_holdout_set(self.task, self.size, dataset))
            for dataset in datasets
        ]
        return self.prompt + max(behind, default=0)

    def _of(self, pairs: Iterable[Pair]) -> int:
        return sum(self.model.around + len(source) + len(target) for source, target in pairs)

    @property
    def seconds_before(self) -> float:
        """Expected seconds on one CPU thread until something is asked of a seed."""
        drawn = 0.0 if self.learner.trained else self.model.weights / DRAWN
        return self.model.seconds * self.prompt + drawn

    def check(self, datasets: Iterable[str], name: str) -> None:
        """Refuse what is longer than the model reads.

        Raises:
            UserError: how many tokens it takes, and what would take fewer.
        """
        wanted, reads = list(datasets), self.model.reads
        if reads is None or self.longest(wanted) <= reads:
            return
        alone = FPA in wanted and self.longest([FPA]) <= reads
        what = "T and an input with its output" if wanted == [FPA] else "T and H"
        hints = ["measure fpa alone"] if alone else []
        hints += ["give fewer copies"] if self.learner.arguments["copies"] != 1 else []
        hints += ["a smaller size"] if self.size > min(self.task.sizes) else []
        raise UserError(
            f"the configuration is wrong:\n  learner {name!r}: {what} of {self.task.name}/{self.size} take "
            f"{self.longest(wanted):,} tokens and {self.learner.folder!r} reads {reads:,} (max_position_embeddings); "
            f"{' or '.join(hints) or 'leave the task out'}"
        )


def check_prompts_differ(learner: InContextLearner, task: Task, size: int, seeds: Collection[int], name: str) -> None:
    """Refuse several seeds where they would be one and the same prompt.

    Raises:
        UserError: symbols are not drawn, and T has one order only.
    """
    arguments = learner.arguments
    one_order = arguments["order"] == "given" or len(set(_training_set(task, size))) == 1
    if learner.trained and arguments["symbols"] == "own" and one_order and len(seeds) > 1:
        raise UserError(
            f"the configuration is wrong:\n  learner {name!r}: with symbols: own and one order of T all {len(seeds)} "
            f"seeds of {task.name}/{size} would be the same prompt, and FPA a share of equal outputs; give one seed, "
            "or symbols: words"
        )


@cache
def _training_set(task: Task, size: int) -> list[Pair]:
    return task.training_set(size)


@cache
def _holdout_set(task: Task, size: int, candidate: str) -> list[Pair]:
    return task.holdout_set(size, candidate)
