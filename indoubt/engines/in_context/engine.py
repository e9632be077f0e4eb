"""Engine `in_context`: codes and outputs of a frozen language model that has read T in a prompt.

Nothing is trained, so there is no lockstep, no state to save and nothing to keep: a kill costs the prompts that were
being read. A training's numbers do not depend on which others it is read with, to rounding.
"""

from __future__ import annotations

import gc
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from indoubt.engines.devices import Failures, made_by, of_device
from indoubt.engines.in_context.evaluation import Continuation, decode, score
from indoubt.engines.in_context.folder import identity_of
from indoubt.engines.in_context.prompts import Writer
from indoubt.engines.in_context.reader import Reader
from indoubt.engines.in_context.readings import Reading, readings
from indoubt.errors import UserError
from indoubt.learner import InContextLearner
from indoubt.training import Result, Training

NAME = "in_context"
#: The model that reads a seed's prompts.
ReaderOf = Callable[[int], Reader]


def train_chains(
    chains: Sequence[Sequence[Training]],
    device: torch.device,
    *,
    state_folder: Path | None = None,
    keep: Callable[[Training, torch.nn.Module], None] | None = None,
) -> Iterator[Result]:
    """Measure chains of one learner and yield each training's result as it is there, in any order.

    Args:
        chains: each one training.
        device: where to read. On the CPU torch is set to one thread.
        state_folder, keep: not used: nothing is trained.

    Raises:
        UserError: the folder does not hold the model that was planned, or this cannot be read.
    """
    trainings = [training for chain in chains for training in chain]
    if not trainings:
        return
    from indoubt.engines.in_context.model import HuggingFaceReader, tokens_of  # slow to import

    if device.type == "cpu":
        torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    learner = trainings[0].learner
    assert isinstance(learner, InContextLearner)
    folder, shown = Path(learner.folder), Path(learner.folder).name
    if identity_of(folder) != learner.arguments[NAME]:
        raise UserError(
            f"in_context {str(folder)!r} does not hold the model that this was planned for: it has changed, or is not "
            "there; put it back, or run again to measure what is there now"
        )
    writer = Writer(tokens_of(folder, shown), learner.arguments, shown)
    last: dict[int, Reader] = {}

    def reader_of(seed: int) -> Reader:
        """The one model, or, of untrained ones, the seed's."""
        which = 0 if learner.trained else seed
        if which not in last:
            last.clear()
            last[which] = HuggingFaceReader(learner, device, seed)
        return last[which]

    yield from results(trainings, writer, reader_of, together=learner.trained)


def results(
    trainings: Sequence[Training], writer: Writer, reader_of: ReaderOf, together: bool = True
) -> Iterator[Result]:
    """Each training's result, as soon as all is there that is asked of it.

    Args:
        together: one reader reads the prompts of all seeds.
    """
    partial = {each.key: made_by(Result(each.key, "ok", 0.0, 0), NAME, torch.device("cpu")) for each in trainings}
    missing = Counter({training.key: len(training.scores) + len(training.decodes) for training in trainings})
    yield from (partial[key] for key, n in missing.items() if not n)
    failures, by_key = Failures(), {training.key: training for training in trainings}
    waiting = readings(trainings, writer)
    while waiting:
        reader = reader_of(waiting[0].seed)
        batch = _batch([each for each in waiting if together or each.seed == waiting[0].seed], reader)
        try:
            gave = list(_read(batch, reader))
        except RuntimeError as error:
            if not of_device(error):
                raise
            gave = []
            if isinstance(error, torch.OutOfMemoryError) and len(batch) > 1:
                reader.at_once = max(reader.at_once // 2, 1)
                gc.collect()
                continue
            failures.add([by_key[key] for reading in batch for key in reading.trainings], error, reader.device)
        waiting = [each for each in waiting if not any(each is other for other in batch)]
        for answer in gave:
            result = made_by(partial[answer.training], NAME, reader.device)
            answer.into(result)
            missing[answer.training] -= 1
            if not missing[answer.training]:
                yield result
    failures.tell()


@dataclass(frozen=True)
class _Answer:
    """What was given for one score or decoding, and the seconds that it took; no value: logits were not finite."""

    training: str
    asked: str
    value: float | list[list[int]] | None
    outside: float
    seconds: float

    def into(self, result: Result) -> None:
        """Put it into its training's result; one that is not finite leaves that without any number."""
        result.seconds += self.seconds
        if self.value is None or result.status == "diverged":
            result.status, result.nats, result.outputs, result.outside = "diverged", {}, {}, {}
            return
        result.outside[self.asked] = self.outside
        if isinstance(self.value, list):
            result.outputs[self.asked] = self.value
        else:
            result.nats[self.asked] = self.value


def _batch(waiting: Sequence[Reading], reader: Reader) -> list[Reading]:
    """Readings behind prompts as long as the first one's, as many as the reader has room for, in even parts."""
    length = len(waiting[0].prompt.start)
    alike = [reading for reading in waiting if len(reading.prompt.start) == length]
    room = max(reader.at_once // max(reading.longest for reading in alike), 1)
    return alike[: -(-len(alike) // -(-len(alike) // room))]


def _read(batch: Sequence[Reading], reader: Reader) -> Iterator[_Answer]:
    """All that a batch of readings gives: their prompts are read once, then what is asked behind them."""
    started = time.monotonic()
    state = reader.read(reader.start(), torch.tensor([each.prompt.start for each in batch], device=reader.device))
    begun = (time.monotonic() - started) / max(sum(reading.asked for reading in batch), 1)
    answer_groups = [_scored(batch, state, reader), _decoded(batch, state, reader)]
    yield from (replace(answer, seconds=answer.seconds + begun) for answers in answer_groups for answer in answers)


def _scored(batch: Sequence[Reading], state: Any, reader: Reader) -> Iterator[_Answer]:
    """Codes: first each reading's longest passage, all together, then the next ones."""
    for column in range(max(len(reading.passages) for reading in batch)):
        rows = [row for row, reading in enumerate(batch) if len(reading.passages) > column]
        passages = [batch[row].passages[column] for row in rows]
        started = time.monotonic()
        prompts = [batch[row].prompt for row in rows]
        costs = score(reader, reader.taken(state, rows), prompts, [passage.examples for passage in passages])
        seconds = (time.monotonic() - started) / sum(len(passage.examples) for passage in passages)
        for passage, cost in zip(passages, costs, strict=True):
            read = 0
            for block in sorted(passage.blocks, key=lambda block: block.end):
                within, outside = (math.fsum(each[block.first : block.end]) for each in (cost.within, cost.outside))
                value = within if math.isfinite(within + outside) else None
                yield _Answer(block.training, block.score, value, outside, seconds * (block.end - read))
                read = block.end


def _decoded(batch: Sequence[Reading], state: Any, reader: Reader) -> Iterator[_Answer]:
    """Outputs: of all inputs behind all prompts, as many together as there is room for."""
    requests = [(row, key, request) for row, reading in enumerate(batch) for key, request in reading.decodes]
    outputs = [
        [
            Continuation(batch[row].prompt, batch[row].prompt.asked(s), request.min_len, request.max_len)
            for s in request.sources
        ]
        for row, _, request in requests
    ]
    rows = [(row, output) for (row, _, _), of_request in zip(requests, outputs, strict=True) for output in of_request]
    rows.sort(key=lambda pair: len(pair[1].asked))
    longest = max((len(batch[row].prompt.start) + len(o.asked) + o.max_len for row, o in rows), default=1)
    room, started = max(reader.at_once // longest, 1), time.monotonic()
    for first in range(0, len(rows), room):
        part = rows[first : first + room]
        decode(reader, reader.taken(state, [row for row, _ in part]), [output for _, output in part])
    per_token = (time.monotonic() - started) / max(sum(output.read for _, output in rows), 1)
    for (row, key, request), of_request in zip(requests, outputs, strict=True):
        symbols = batch[row].prompt.symbols
        value = [[symbols[token] for token in output.said] for output in of_request]
        outside = sum(output.outside for output in of_request) / max(sum(output.places for output in of_request), 1)
        seconds = per_token * sum(output.read for output in of_request)
        yield _Answer(key, request.key, value if all(o.finite for o in of_request) else None, outside, seconds)
