"""How large a learner would be, before it takes its memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

#: Learners of more weights than this, or of more numbers in buffers, are refused: a run trains hundreds of models.
MOST_WEIGHTS = 50_000_000


def too_large(make: Callable[[], nn.Module]) -> str | None:
    """What a message says of a module that would be too large, or None; no memory is taken for it.

    Raises:
        Exception: whatever `make` raises where weights have no values.
    """
    with torch.device("meta"):
        module = make()
    for what, tensors in (("weights", module.parameters()), ("numbers in buffers", module.buffers())):
        held = sum(each.numel() for each in tensors)
        if held > MOST_WEIGHTS:
            return f"would have {held:,} {what}, more than {MOST_WEIGHTS:,}; give smaller sizes"
    return None
