"""Numbers below 1.2e-38 (2.2e-308 in double precision), with which some CPUs compute far more slowly.

Adam's moments of a weight that has no gradient any more shrink by a factor at each update until they are of that size,
and stay there: rounding brings them back to where they were. A CNN's updates then took three times as long on one CPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


def are_kept() -> bool:
    """Whether this thread computes with subnormal numbers, as by default, instead of taking them for zero."""
    return bool(torch.full((1,), 1e-39).mul(1.0))


@contextmanager
def taken_for_zero() -> Iterator[None]:
    """Compute without subnormal numbers, where the CPU can, in this thread.

    Such a moment moves a weight by less than 1e-32 (fairseq/optim/adam.py adds 1e-8 to what it is divided by), which no
    weight that has been initialised at random notices.
    """
    kept = are_kept()
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(not kept)
