"""Every random number of the reference engine: initialisation, hold-out order, dropout, batches drawn by chance."""

from __future__ import annotations

import hashlib
import random

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python, numpy and torch alike, as the original does before it builds the model."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def holdout_order(seed: int, n_holdout: int) -> list[int]:
    """The order in which hold-out examples are sent, as places in H: the same for each candidate of a seed.

    The original shuffles with Python's generator right after building the model, which draws nothing from it.
    """
    order = list(range(n_holdout))
    random.Random(seed).shuffle(order)
    return order


def released_stream(seed: int, update: int) -> None:
    """The original's dropout stream: seed s at update u and seed s + 1 at update u - 1 share it."""
    torch.manual_seed(seed + update)


def stream_of(training_key: str, update: int) -> int:
    """The seed of the stream that a training has to itself at an update."""
    return int.from_bytes(hashlib.sha256(f"{training_key}/{update}".encode()).digest()[:8])


def drawn_places(training_key: str, update: int, n_examples: int, size: int) -> list[int]:
    """Which of a training's examples make up the batch of an update: `size` places, drawn with replacement."""
    return random.Random(stream_of(training_key, update)).choices(range(n_examples), k=size)


def independent_stream(training_key: str, update: int) -> None:
    """A stream of its own for each training and update: torch's, Python's (layer dropout, batches), numpy's."""
    stream = stream_of(training_key, update)
    torch.manual_seed(stream)
    random.seed(stream)
    np.random.seed(stream % 2**32)
