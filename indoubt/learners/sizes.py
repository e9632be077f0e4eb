"""How large a learner would be, before it takes its memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

#: Learners of more weights than this, or of more numbers in buffers, are refused: a run trains hundreds of models.
MOST_WEIGHTS = 50_000_000
#: Numbers that tensors may hold which are made while a module is built, all together: weights and what they come from.
MOST_MADE = 4 * MOST_WEIGHTS

Built = TypeVar("Built")


class TooMuch(Exception):
    """More is made than `MOST_MADE`."""


def guarded(make: Callable[[], Built]) -> Built:
    """What `make` makes, stopped before it takes more memory than any learner may.

    Raises:
        TooMuch: it would.
    """
    with _Guard():
        return make()


def too_large(make: Callable[[], nn.Module]) -> str | None:
    """What a message says of a module that would be too large, or None; no memory is taken for it.

    It is built where tensors have no values, so whatever its code keeps from one time to the next has none either.

    Raises:
        Exception: whatever `make` raises where weights have no values.
    """
    with torch.device("meta"):
        module = make()
    return oversized(module)


def oversized(module: nn.Module) -> str | None:
    """What a message says of a module that is too large, or None."""
    for what, tensors in (("weights", module.parameters()), ("numbers in buffers", module.buffers())):
        held = sum(each.numel() for each in tensors)
        if held > MOST_WEIGHTS:
            return f"would have {held:,} {what}, more than {MOST_WEIGHTS:,}; give smaller sizes"
    return None


class _Guard(TorchDispatchMode):
    """Counts the numbers of the tensors that are made of sizes alone (zeros, random numbers, ...)."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made = 0

    def __torch_dispatch__(
        self, operation: Any, types: Sequence[type], given: Sequence[Any] = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        sizes = given[0] if given else None
        if isinstance(sizes, list | tuple) and all(isinstance(size, int) for size in sizes):
            self.made += math.prod(sizes)
            if self.made > MOST_MADE:
                raise TooMuch
        found = operation(*given, **dict(named or {}))
        if isinstance(found, Tensor) and not isinstance(sizes, list | tuple) and not _shares(given):
            self.made += found.numel()  # a range, a table of one
            if self.made > MOST_MADE:
                raise TooMuch
        return found


def _shares(given: Sequence[Any]) -> bool:
    """Whether an operation is given a tensor, whose memory its result may be."""
    return any(isinstance(each, Tensor) for each in given)
