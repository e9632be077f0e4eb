"""How many models share a lockstep, and what shape their batches are padded to."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import torch

from indoubt.engines.fused.architectures import ARCHITECTURES
from indoubt.engines.fused.batches import Shape
from indoubt.engines.fused.kernels import LARGE
from indoubt.learner import Learner

#: On the CPU so many weights at a time: 33 Transformers. A model with a large weight, as the LSTMs and the CNN have,
#: fills the cache alone, and its gradients are treated in a way of their own.
CPU_WEIGHTS = 1_250_000
#: On a GPU at most so many models, and of its free memory at most this share.
GPU_MODELS, GPU_SHARE = 1024, 0.7


def canonical(shape: Shape, device: torch.device) -> Shape:
    """The shape that a training's batch is padded to, from its own shape alone.

    Times are rounded up, so that more trainings have a shape in common: to even numbers on the CPU, where padding costs
    time, and to multiples of 8 on a GPU, where small locksteps do. Rows are rounded up on a GPU only.
    """
    rows, multiple = (4, 8) if device.type == "cuda" else (1, 2)

    def up(n: int, to: int) -> int:
        return -(-n // to) * to

    return Shape(up(shape.batch, rows), up(shape.source, multiple), up(shape.target, multiple))


def models_together(learner: Learner, sizes: Sequence[int], shape: Shape, device: torch.device) -> int:
    """How many models with weights of these sizes fit into one lockstep with batches of this shape; at least 1."""
    weights = sum(sizes)
    if device.type == "cpu":
        return 1 if max(sizes) >= LARGE else max(1, CPU_WEIGHTS // weights)
    return max(1, min(GPU_MODELS, int(free_memory(device) * GPU_SHARE / bytes_of_a_model(learner, weights, shape))))


def free_memory(device: torch.device) -> int:
    """Bytes that a GPU has left for this process: what nobody has taken, and what torch keeps but nothing uses.

    Before, what only rings of references hold, as a user's module may leave them, is let go.
    """
    gc.collect()
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def bytes_of_a_model(learner: Learner, weights: int, shape: Shape) -> int:
    """What a model of so many weights needs of a GPU's memory; where it falls short, locksteps are halved.

    Weights, gradients, two moments and what is computed from all of them, of 4 bytes; for each place of dropout its
    mask, the numbers of 8 bytes that it is drawn from, and an allowance for what forward and backward keep.
    """
    sites = ARCHITECTURES[learner.arguments["arch"]].sites(learner, shape)
    return 20 * weights + 256 * shape.batch * sum(site.time * site.features for site in sites)
