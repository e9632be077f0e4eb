"""Engine `fairseq`: fairseq's own models, optimizer, batches and generator, one training after another.

Gives what the original code gives, to the digit (on the same torch and kind of device).
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from indoubt.engines.backend import Backend, Keep, Lockstep, State
from indoubt.engines.devices import made_by
from indoubt.engines.fairseq.models import build_model, decode, dictionaries_of, dictionary_of, make_batch, namespace
from indoubt.engines.fairseq.optimizer import Optimizer, summed_nll
from indoubt.engines.fairseq.randomness import independent_stream, released_stream, seed_everything
from indoubt.engines.loop import train
from indoubt.engines.weights import Weights
from indoubt.training import Example, Result, Training


def train_chains(
    chains: Sequence[Sequence[Training]],
    device: torch.device,
    *,
    state_folder: Path | None = None,
    keep: Keep | None = None,
) -> Iterator[Result]:
    """Train chains one after another and yield each training's result as it is there (`loop.train`)."""
    _deterministic()
    yield from train(chains, Fairseq(device), state_folder=state_folder, keep=keep)


def train_chain(chain: Sequence[Training], device: torch.device, keep: Keep | None = None) -> Iterator[Result]:
    """Train one chain: one training, or those of blocks 0, 1, ... of one seed and dataset, in this order."""
    yield from train_chains([chain], device, keep=keep)


def evaluate_kept(training: Training, model: torch.nn.Module, device: torch.device) -> Result:
    """The result of a training whose model was kept: scored and decoded, not trained again."""
    _deterministic()
    started = time.monotonic()
    result = made_by(Result(training.key, "ok", 0.0, training.learner.updates), "fairseq", device)
    _evaluate(model, training.at(None), result, device)
    result.seconds = time.monotonic() - started
    return result


class Fairseq(Backend["OneTraining"]):
    """fairseq as it is: each training by itself."""

    name = "fairseq"

    def alike(self, training: Training) -> Hashable:
        return None

    def capacity(self, training: Training) -> int:
        return 1

    def start(self, trainings: Sequence[Training], steps_before: int) -> OneTraining:
        (training,) = trainings
        return OneTraining(training, self.device)

    def evaluate(self, lockstep: OneTraining, asked: Sequence[Training], results: Sequence[Result]) -> None:
        """By a copy, since decoding leaves a buffer in fairseq's CNN."""
        if results[0].status == "ok":
            with _untouched_streams():
                copied = build_model(asked[0].learner, *dictionaries_of(asked[0])).to(self.device)
                copied.load_state_dict(lockstep.model.state_dict())
                _evaluate(copied, asked[0], results[0], self.device)

    def module(self, lockstep: OneTraining, row: int) -> torch.nn.Module:
        model: torch.nn.Module = lockstep.model.eval()
        return model


class OneTraining(Lockstep):
    """A training under way. It has Python's and torch's random streams to itself."""

    def __init__(self, training: Training, device: torch.device) -> None:
        super().__init__([training])
        self.training, self.device = training, device
        seed_everything(training.seed)
        self.model: Any = build_model(training.learner, *dictionaries_of(training)).to(device)
        self.model.train()
        random.seed(training.seed)
        if training.chain:  # batches are drawn from the stream that has shuffled the hold-out
            random.shuffle(list(range(training.chain[0])))
        self.optimizer = Optimizer(self.model, namespace(training.learner))
        self._begin_batches()

    def advance(self, most: int) -> int:
        """One update, in the order and the arithmetic of fairseq's trainer."""
        training = self.training
        if training.protocol.rng_streams == "released":
            released_stream(training.seed, self.done)
        else:
            independent_stream(training.key, self.done)
        batch = next(self._batches)
        self.optimizer.zero_grad()
        self._loss = summed_nll(self.model, batch, dictionary_of(training.source_symbols).pad())
        self._loss.backward()
        self.optimizer.step(self.done, batch["target"].size(0))
        return 1

    def losses_finite(self) -> list[bool]:
        return [math.isfinite(self._loss.item())]

    def weights_finite(self) -> list[bool]:
        return [all(bool(parameter.isfinite().all()) for parameter in self.model.parameters())]

    def state(self) -> State:
        streams = json.dumps([self._streams_before, _streams()])
        return {"model": self.model.state_dict(), "optimizer": self.optimizer.state(), "streams": streams}

    def carried(self, row: int, following: Training) -> State:
        """Adam's state where it lives on, and Python's stream.

        The original scores each block before it trains on it, and a Transformer draws from the stream in every forward
        pass, so the following training's stream starts after that.
        """
        if self.diverged_after == [None]:
            block_nats(self.model, following.blocks[-1], dictionary_of(following.source_symbols), self.device)
        streams = json.dumps([_streams()] * 2)
        if self.training.protocol.adam_state == "fresh":
            return {"streams": streams}
        return {"optimizer": self.optimizer.state(), "streams": streams}

    def begin_from(self, row: int, weights: Weights) -> None:
        self.model.load_state_dict(weights.state)

    def take_up(self, state: State, rows: Mapping[int, int], done: int) -> None:
        if "optimizer" in state:
            self.optimizer.go_on(state["optimizer"], done)
        if "model" in state:
            self.model.load_state_dict(state["model"])
        before, now = json.loads(state["streams"])
        _set_streams(before)
        self._begin_batches()
        for _ in range(done):
            next(self._batches)
        _set_streams(now)

    def _begin_batches(self) -> None:
        """The batch of each update, from the streams as they are.

        The released streams draw a training's batches from it before the first update, so its state at that moment is
        part of the training's state.
        """
        self._streams_before = _streams()
        self._batches = _batches(self.training, dictionary_of(self.training.source_symbols), self.device)


def _batches(training: Training, dictionary: Any, device: torch.device) -> Iterator[dict[str, Any]]:
    """The batch of each update: all examples sent so far, or `batch_size` of them drawn with replacement.

    With the released streams all of a training's batches are drawn before its first update.
    """
    examples, batch_size = training.examples, training.learner.batch_size
    if batch_size is None:
        everything = make_batch(examples, dictionary, device)
        while True:
            yield everything
    elif training.protocol.rng_streams == "released":
        for drawn in [random.choices(examples, k=batch_size) for _ in range(training.learner.updates)]:
            yield make_batch(drawn, dictionary, device)
    else:
        while True:
            yield make_batch(random.choices(examples, k=batch_size), dictionary, device)


def _evaluate(model: Any, training: Training, result: Result, device: torch.device) -> None:
    """Score and decode what the training was asked for, into `result`."""
    source_dictionary, target_dictionary = dictionaries_of(training)
    for score in training.scores:
        result.nats[score.key] = block_nats(model, score.examples, source_dictionary, device)
    if not all(math.isfinite(nats) for nats in result.nats.values()):
        result.status, result.nats = "diverged", {}
        return  # fairseq's search ends in an error where probabilities are none
    for request in training.decodes:
        result.outputs[request.key] = decode(
            model, request.sources, source_dictionary, target_dictionary, device, request.min_len, request.max_len
        )


def block_nats(model: Any, examples: Sequence[Example], dictionary: Any, device: torch.device) -> float:
    """Code length of a block under a trained model, without dropout: summed over its examples, in nats."""
    model.eval()
    with torch.no_grad():
        return float(summed_nll(model, make_batch(examples, dictionary, device), dictionary.pad()).item())


@contextmanager
def _untouched_streams() -> Iterator[None]:
    """Leave the generators as they were that an update does not seed anew: Python's, of which the Transformer draws at
    every forward pass, and numpy's, of which a plug-in may."""
    state = _streams()
    try:
        yield
    finally:
        _set_streams(state)


def _streams() -> list[Any]:
    """The states of Python's and numpy's generators, as JSON can hold them; torch's is set before every update."""
    name, internal, *others = np.random.get_state(legacy=True)
    return [random.getstate(), [name, np.asarray(internal).tolist(), *others]]


def _set_streams(state: list[Any]) -> None:
    (version, internal, following), of_numpy = state
    random.setstate((version, tuple(internal), following))
    np.random.set_state(tuple(of_numpy))


def _deterministic() -> None:
    """No TF32 and no choice among kernels by timing: the same numbers on every run."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
