"""Engine `fairseq`: fairseq's own models, optimizer, batches and generator, one training after another.

Gives what the original code gives, to the digit (on the same torch and kind of device).
"""

from __future__ import annotations

import math
import platform
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from doubt.data.vocabulary import dictionary_of
from doubt.engines.devices import device_name
from doubt.engines.reference.batching import make_batch
from doubt.engines.reference.course import Course
from doubt.engines.reference.decoding import decode
from doubt.engines.reference.models import build_model, namespace
from doubt.engines.reference.optimisation import Optimizer, summed_nll
from doubt.engines.reference.randomness import independent_stream, released_stream, seed_everything
from doubt.engines.reference.saved_state import SavedState
from doubt.training import Example, Result, Training

#: How often a training looks whether its loss is still finite (on a GPU, each look waits for the device).
CHECK_EVERY = 100

#: Called with the model after each training, before the next block's training resets its weights.
Keep = Callable[[Training, torch.nn.Module], None]


def train_chains(
    chains: Iterable[Sequence[Training]],
    device: torch.device,
    *,
    state_folder: Path | None = None,
    keep: Keep | None = None,
) -> Iterator[Result]:
    """Train chains one after another, as `train_chain` does, and yield each result as it is there.

    Args:
        state_folder: where the state of an unfinished chain is saved every two minutes and on SIGTERM, which then ends
            the process with status 143. What is found there is not begun anew. None: nothing is saved.
    """
    for chain in chains:
        saved = SavedState(state_folder, chain[0].key, device)
        with saved.listening():
            yield from train_chain(chain, device, keep, saved)
        saved.forget()


def train_chain(
    chain: Sequence[Training], device: torch.device, keep: Keep | None = None, saved: SavedState | None = None
) -> Iterator[Result]:
    """Train a chain of trainings and yield each result as it is there.

    A chain is one training, or, where Adam or the random stream is carried over, the trainings of blocks 0, 1, ... of
    one seed and dataset, in this order.

    Args:
        chain: trainings that share learner, protocol, seed and dictionaries.
        device: where to train.
        keep: called after each training that did not diverge.
        saved: where an unfinished chain is saved; one that is found there goes on, its finished results first.
    """
    _deterministic()
    first = chain[0]
    source_dictionary, target_dictionary = dictionary_of(first.source_symbols), dictionary_of(first.target_symbols)
    arguments = namespace(first.learner)
    seed_everything(first.seed)
    model = build_model(first.learner, source_dictionary, target_dictionary).to(device)
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    random.seed(first.seed)
    if first.chain:  # batches are drawn from the stream that has shuffled the hold-out
        random.shuffle(list(range(first.chain[0])))
    optimizer = Optimizer(model, arguments)
    course = Course(saved or SavedState(None, "", device))
    begun = course.resume(chain, model, optimizer)
    yield from course.finished
    for training in chain[course.place :]:
        started = time.monotonic() - course.seconds
        if not begun:
            model.load_state_dict(initial)
            if training.protocol.adam_state == "fresh":
                optimizer = Optimizer(model, arguments)
            optimizer.restart_schedule()
        begun = False
        updates, finite = _train(model, training, optimizer, device, course)
        result = _new_result(training, updates, device)
        if not finite:
            result.status = "diverged"
        else:
            if keep is not None:  # before decoding, in which fairseq's CNN adds a buffer to its state
                keep(training, model)
            _evaluate(model, training.at(None), result, device)
        course.seen.into(result)
        result.seconds = time.monotonic() - started
        if training is not chain[-1]:
            if finite:
                _score_as_the_original(model, chain[course.place + 1], device)
            course.next_training(result, optimizer)
        yield result


def evaluate_kept(training: Training, model: torch.nn.Module, device: torch.device) -> Result:
    """The result of a training whose model was kept: scored and decoded, not trained again."""
    _deterministic()
    started = time.monotonic()
    result = _new_result(training, training.learner.updates, device)
    _evaluate(model, training.at(None), result, device)
    result.seconds = time.monotonic() - started
    return result


def _new_result(training: Training, updates: int, device: torch.device) -> Result:
    return Result(
        training.key,
        "ok",
        0.0,
        updates,
        device=device_name(device),
        engine="fairseq",
        torch=str(torch.__version__),
        host=platform.node(),
    )


def _train(
    model: Any, training: Training, optimizer: Optimizer, device: torch.device, course: Course
) -> tuple[int, bool]:
    """All updates of one training; returns how many were done and whether loss and weights stayed finite."""
    source_dictionary = dictionary_of(training.source_symbols)
    pad = source_dictionary.pad()
    batches = course.begin(_batches(training, source_dictionary, device))
    model.train()
    for update in range(course.update, training.learner.updates):
        if training.protocol.rng_streams == "released":
            released_stream(training.seed, update)
        else:
            independent_stream(training.key, update)
        batch = next(batches)
        optimizer.zero_grad()
        loss = summed_nll(model, batch, pad)
        loss.backward()
        optimizer.step(update, batch["target"].size(0))
        if update % CHECK_EVERY == 0 and not math.isfinite(loss.item()):
            return update + 1, False
        if update + 1 in training.milestones:
            _look(model, training.at(update + 1), course, device)
        course.updated(update + 1, model, optimizer)
    return training.learner.updates, all(bool(p.isfinite().all()) for p in model.parameters())


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


def _look(model: Any, asked: Training, course: Course, device: torch.device) -> None:
    """Score and decode what is asked at a milestone; by a copy, since decoding may leave something in a model."""
    started = time.monotonic()
    result = _new_result(asked, 0, device)
    dictionaries = dictionary_of(asked.source_symbols), dictionary_of(asked.target_symbols)
    with _untouched_streams():
        copied = build_model(asked.learner, *dictionaries).to(device)
    copied.load_state_dict(model.state_dict())
    _evaluate(copied, asked, result, device)
    course.seen.add(asked, result, time.monotonic() - started)


def _evaluate(model: Any, training: Training, result: Result, device: torch.device) -> None:
    """Score and decode what the training was asked for, into `result`; the random streams stay as they were."""
    source_dictionary = dictionary_of(training.source_symbols)
    target_dictionary = dictionary_of(training.target_symbols)
    with _untouched_streams():
        for score in training.scores:
            result.nats[score.key] = block_nats(model, score.examples, source_dictionary, device)
        for request in training.decodes:
            result.outputs[request.key] = decode(
                model, request.sources, source_dictionary, target_dictionary, device, request.min_len, request.max_len
            )
    if not all(math.isfinite(nats) for nats in result.nats.values()):
        result.status, result.nats, result.outputs = "diverged", {}, {}


def _score_as_the_original(model: Any, following: Training, device: torch.device) -> None:
    """Score the next block once more, for what a Transformer draws from Python's generator in every forward pass.

    The original scores each block before it trains on it, so the next training's stream starts after that; whatever
    else is asked of a training leaves the stream as it was, and so cannot change the trainings that follow.
    """
    block_nats(model, following.blocks[-1], dictionary_of(following.source_symbols), device)


def block_nats(model: Any, examples: Sequence[Example], dictionary: Any, device: torch.device) -> float:
    """Code length of a block under a trained model, without dropout: summed over its examples, in nats."""
    model.eval()
    with torch.no_grad():
        return float(summed_nll(model, make_batch(examples, dictionary, device), dictionary.pad()).item())


@contextmanager
def _untouched_streams() -> Iterator[None]:
    """Leave the generators as they were that an update does not seed anew: Python's, of which the Transformer draws at
    every forward pass, and numpy's, of which a plug-in may."""
    state, of_numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(of_numpy)


def _deterministic() -> None:
    """No TF32 and no choice among kernels by timing: the same numbers on every run."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
