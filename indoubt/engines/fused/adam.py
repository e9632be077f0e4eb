"""Loss, clipping, schedule and fairseq's Adam for many models, each on its own gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from indoubt.data.literals import value_of
from indoubt.engines.fused import kernels
from indoubt.engines.fused.batches import Batch
from indoubt.engines.fused.parameters import Gathered, Gradients, Parameters
from indoubt.learner import Learner

#: What clip_grad_norm_ adds to a norm before it divides by it. (torch/nn/utils/clip_grad.py)
CLIP_EPSILON = 1e-6
#: A norm that is at most this share of the largest one allowed is not too large, however it is rounded.
SURELY = 0.999


def nll(logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
    """Negative log-likelihood of each model's targets, summed, in nats, and its gradient as it is trained on.

    Args:
        logits: (models, batch, time, symbols).

    Returns:
        nats of shape (models,), and the gradient with respect to the logits of the nats per sentence.
    """
    log_probs = torch.log_softmax(logits, -1)
    target = batch.target[..., None]
    chosen = log_probs.gather(-1, target).squeeze(-1) * batch.target_mask
    gradient = log_probs.exp()
    gradient.scatter_add_(-1, target, torch.full_like(chosen, -1.0)[..., None])
    gradient *= (batch.target_mask / batch.sentences[:, None, None])[..., None]
    return -chosen.sum((1, 2)), gradient


def betas_of(arguments: Mapping[str, Any]) -> tuple[float, float]:
    """How fast Adam's two moments decay, both from 0 to below 1; whole numbers, as in `(0, 0.999)`, are floats here.

    Raises:
        ValueError: the argument says something else.
    """
    betas = value_of(str(arguments["adam_betas"]))
    if not isinstance(betas, tuple | list) or len(betas) != 2 or not all(map(_is_rate, betas)):
        raise ValueError(
            f'adam_betas {arguments["adam_betas"]!r} must be two numbers from 0 to below 1: "(0.9, 0.999)"'
        )
    first, second = map(float, betas)
    return first, second


def _is_rate(beta: object) -> bool:
    return isinstance(beta, int | float) and not isinstance(beta, bool) and 0 <= beta < 1


@dataclass(frozen=True)
class Schedule:
    """fairseq's Adam, `inverse_sqrt` schedule and clipping, as a learner's arguments give them."""

    updates: int
    peak: float
    start: float
    warmup: int
    betas: tuple[float, float]
    eps: float
    clip_norm: float

    @staticmethod
    def of(learner: Learner) -> Schedule:
        arguments = learner.arguments
        (peak,) = map(float, arguments["lr"])
        start, warmup = float(arguments["warmup_init_lr"]), int(arguments["warmup_updates"])
        if start < 0:
            start = 0.0 if warmup > 0 else peak
        eps, clip_norm = float(arguments["adam_eps"]), float(arguments["clip_norm"])
        return Schedule(learner.updates, peak, start, warmup, betas_of(arguments), eps, clip_norm)

    def rate(self, update: int) -> float:
        """Learning rate of an update, counted from 0. (fairseq/optim/lr_scheduler/inverse_square_root_schedule.py)"""
        if update < self.warmup:
            return self.start + update * (self.peak - self.start) / self.warmup
        return self.peak * math.sqrt(self.warmup / update)

    def step_sizes(self, steps_before: int) -> list[float]:
        """Adam's step size at each update: learning rate times bias correction. (fairseq/optim/adam.py)

        Args:
            steps_before: steps that Adam's moments have seen before this training's first.
        """
        beta1, beta2 = self.betas
        steps = range(steps_before + 1, steps_before + self.updates + 1)
        return [self.rate(update) * math.sqrt(1 - beta2**step) / (1 - beta1**step) for update, step in enumerate(steps)]


class Adam:
    """fairseq's Adam on the weights of many models: `w -= step_size * m / (sqrt(v) + eps)`.

    torch's fused kernel computes just this once its own bias correction is 1, which an endless step count makes it.
    Large weights are gone through forwards and backwards in turn: what the last step went through last, and the cache
    still holds, comes first.
    """

    def __init__(self, weights: Parameters, schedule: Schedule) -> None:
        self.first, self.second = weights.like(), weights.like()
        self._schedule = schedule
        self._backwards = False
        self._endless = torch.tensor(1e9, device=weights.flat.device)

    def step(self, weights: Parameters, gradients: Gradients, step_size: Tensor) -> None:
        """Clip each model's gradient to the schedule's norm, then update its weights; `step_size` has shape ()."""
        factors = self._clip_factors(gradients)
        if factors is not None:
            for part in gradients.parts():
                part *= factors[:, None]
        pieces = gradients.formed()
        self._fused(weights.flat, gradients.flat, pieces, step_size)
        self._backwards = not self._backwards
        gathered_ones = list(gradients.gathered.items())
        for name, gathered in reversed(gathered_ones) if self._backwards else gathered_ones:
            self._step_along_product(weights, name, gathered, factors, float(step_size))
        gradients.gathered.clear()

    def _clip_factors(self, gradients: Gradients) -> Tensor | None:
        """What to multiply each model's gradient by, (models,); None: by nothing."""
        if self._schedule.clip_norm <= 0:
            return None
        if gradients.gathered and bool((gradients.norms_at_most() < SURELY * self._schedule.clip_norm).all()):
            return None  # as nearly always; what a norm takes to compute is then saved
        factors = (self._schedule.clip_norm / (gradients.norms() + CLIP_EPSILON)).clamp(max=1.0)
        if factors.device.type == "cpu" and bool((factors == 1).all()):
            return None  # a pass over all gradients less; a product with 1 changes nothing
        return factors

    def _step_along_product(
        self, weights: Parameters, name: str, gathered: Gathered, factors: Tensor | None, step_size: float
    ) -> None:
        """Update a large weight, whose gradient is never multiplied out, model by model."""
        state = (weights.values[name], self.first.values[name], self.second.values[name])
        weight, first, second = (tensor.view(gathered.weight.shape) for tensor in state)
        for row, factor in enumerate([1.0] * weights.models if factors is None else factors.tolist()):
            kernels.adam_of_product(
                gathered.left[row],
                gathered.right[row],
                None if gathered.along is None else gathered.along[row],
                (weight[row], first[row], second[row]),
                factor,
                step_size,
                self._schedule.betas,
                self._schedule.eps,
                self._backwards,
            )

    def _fused(self, weights: Tensor, gradients: Tensor, pieces: list[slice], step_size: Tensor) -> None:
        """Update some pieces of all weights by torch's kernel."""
        beta1, beta2 = self._schedule.betas
        of_weights, of_gradients, of_first, of_second = (
            [flat[piece] for piece in pieces] for flat in (weights, gradients, self.first.flat, self.second.flat)
        )
        torch._fused_adam_(
            of_weights,
            of_gradients,
            of_first,
            of_second,
            [],
            [self._endless] * len(pieces),
            lr=step_size,
            beta1=beta1,
            beta2=beta2,
            weight_decay=0.0,
            eps=self._schedule.eps,
            amsgrad=False,
            maximize=False,
        )
