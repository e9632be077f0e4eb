"""Loss, gradient and step of the reference engine, in the order and the arithmetic of fairseq's trainer."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import torch
import torch.nn.functional as F
from fairseq import optim
from fairseq.optim import lr_scheduler


class Optimizer:
    """fairseq's optimizer and learning-rate schedule for a model's parameters, by their own registries.

    (fairseq/trainer.py: train_step; criterions/cross_entropy.py with --sentence-avg.)
    """

    def __init__(self, model: torch.nn.Module, arguments: Namespace) -> None:
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.clip_norm = float(arguments.clip_norm)
        self._optimizer = optim.build_optimizer(arguments, self.parameters)
        self._arguments = arguments
        self.restart_schedule()

    def restart_schedule(self) -> None:
        """Start the learning-rate schedule anew; the optimizer's own state (Adam's moments and count) stays."""
        self._schedule = lr_scheduler.build_lr_scheduler(self._arguments, self._optimizer)
        self._schedule.step_update(0)

    def state(self) -> dict[str, Any]:
        """Adam's moments and count (or what another optimizer has), as tensors and numbers."""
        state: dict[str, Any] = self._optimizer.state_dict()
        return state

    def go_on(self, state: dict[str, Any], update: int) -> None:
        """Take up a state, and the schedule after so many updates."""
        self._optimizer.load_state_dict(state)
        self._schedule.step_update(update)

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = None

    def step(self, update: int, n_sentences: int) -> None:
        """Average the summed gradient over the sentences, clip its norm, update the weights.

        Args:
            update: how many updates this training has had; the schedule gives update + 1's rate afterwards.
            n_sentences: sentences in the batch.
        """
        trained = [p for p in self.parameters if p.grad is not None]
        for parameter in trained:
            assert parameter.grad is not None
            parameter.grad.mul_(1 / n_sentences)  # a division would differ in the last digit
        if self.clip_norm > 0:
            torch.nn.utils.clip_grad_norm_(trained, self.clip_norm)
        self._optimizer.step()
        self._schedule.step_update(update + 1)


def summed_nll(model: torch.nn.Module, batch: dict[str, Any], pad: int) -> torch.Tensor:
    """Negative log-likelihood of a batch's targets, `</s>` included and padding not, summed, in nats: shape ()."""
    log_probs = model.get_normalized_probs(model(**batch["net_input"]), log_probs=True)  # type: ignore[operator]
    return F.nll_loss(
        log_probs.view(-1, log_probs.size(-1)), batch["target"].view(-1), ignore_index=pad, reduction="sum"
    )
