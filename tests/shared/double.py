"""fairseq in double precision.

In single precision two trainings that are equal but for rounding may part: where a unit stands at ReLU's kink, rounding
decides whether it has a gradient. Double precision leaves that a chance in billions.
"""

from __future__ import annotations

import math

import pytest
import torch
from fairseq import utils
from torch import Tensor


def keep_double(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fairseq's softmaxes, and what goes into them, keep double precision."""
    monkeypatch.setattr(utils, "softmax", lambda x, dim, onnx_trace=False: torch.softmax(x, dim))
    monkeypatch.setattr(utils, "log_softmax", lambda x, dim, onnx_trace=False: torch.log_softmax(x, dim))
    monkeypatch.setattr(torch.Tensor, "float", lambda x: x)


class Adam64:
    """fairseq's Adam in its weights' own type (fairseq's rounds to float32)."""

    def __init__(self, parameters: list[Tensor]) -> None:
        self.parameters, self.t = parameters, 0
        self.m, self.v = ([torch.zeros_like(p) for p in parameters] for _ in range(2))

    @torch.no_grad()
    def step(self, lr: float) -> None:
        self.t += 1
        for p, m, v in zip(self.parameters, self.m, self.v, strict=True):
            m += 0.1 * (p.grad - m)
            v += 0.001 * (p.grad**2 - v)
            p -= lr * math.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t) * m / (v.sqrt() + 1e-8)
