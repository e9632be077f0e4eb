"""Gated convolution: a weight-normed convolution over time, then a gated linear unit."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from doubt.engines.fused.gradients import Gradients
from doubt.engines.fused.parameters import Parameters
from doubt.engines.fused.weight_norm import NormedConvolution


class GatedConvolution:
    """`a, b = convolution(x);  y = a sigmoid(b)`, with `before` zeros put in front of x and `after` behind it.

    The convolution is a product with windows of `width` symbols, laid side by side.
    """

    def __init__(self, weights: Parameters, gradients: Gradients, name: str, before: int, after: int) -> None:
        self.linear = NormedConvolution(weights, gradients, name)
        self.before, self.after = before, after
        self.width = before + after + 1

    def forward(self, x: Tensor) -> Tensor:
        """(models, batch, time, channels in) -> (models, batch, time, channels out)."""
        padded = F.pad(x, (0, 0, self.before, self.after))
        windows = padded.unfold(2, self.width, 1).mT.flatten(3)  # (models, batch, time, width * channels in)
        self.shape = windows.shape
        y = self.linear.forward(windows.flatten(1, 2)).unflatten(1, x.shape[1:3])
        self.value, gate = y.chunk(2, -1)
        self.gate = torch.sigmoid(gate)
        return torch.mul(self.value, self.gate)

    def backward(self, dy: Tensor) -> Tensor:
        """(models, batch, time, channels out) -> (models, batch, time, channels in)."""
        gated = dy * self.gate
        d_y = torch.cat((gated, gated * self.value * (1 - self.gate)), -1)
        d_windows = self.linear.backward(d_y.flatten(1, 2)).view(self.shape).unflatten(3, (self.width, -1))
        models, batch, time = self.shape[:3]
        d_padded = dy.new_zeros(models, batch, time + self.width - 1, d_windows.size(4))
        for place in range(self.width):
            d_padded[:, :, place : place + time] += d_windows[..., place, :]
        return d_padded[:, :, self.before : self.before + time]

    def step(self, window: Tensor) -> Tensor:
        """(models, batch, width, channels in), the last inputs in order -> (models, batch, channels out)."""
        return F.glu(self.linear.forward(window.flatten(2)), -1)
