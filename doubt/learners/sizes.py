"""How large a learner would be, before it takes its memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

#: Learners of more weights than this are refused: a measurement trains hundreds of models.
MOST_WEIGHTS = 50_000_000


def too_large(make: Callable[[], nn.Module]) -> str | None:
    """What a message says of a module that would have too many weights, or None; no memory is taken for them.

    Raises:
        Exception: whatever `make` raises where weights have no values.
    """
    with torch.device("meta"):
        weights = sum(weight.numel() for weight in make().parameters())
    if weights <= MOST_WEIGHTS:
        return None
    return f"would have {weights:,} weights, more than {MOST_WEIGHTS:,}; give smaller sizes"
