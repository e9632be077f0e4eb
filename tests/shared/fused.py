"""Independent trainings by engine `fused`, as most of its tests want them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from indoubt.engines.fused.engine import train_chains
from indoubt.training import Result, Training


def train_many(trainings: Sequence[Training], device: torch.device, **more: Any) -> Iterator[Result]:
    """Train each by itself, as a chain of one."""
    return train_chains([[training] for training in trainings], device, **more)
