"""Gated convolution: a weight-normed convolution over time, then a gated linear unit."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from indoubt.engines.fused.arrays import kernels
from indoubt.engines.fused.arrays.gradients import Gathered, Gradients
from indoubt.engines.fused.arrays.packing import Packing
from indoubt.engines.fused.arrays.parameters import Parameters
from indoubt.engines.fused.layers.basic import product


class GatedConvolution:
    """`a, b = convolution(x);  y = a sigmoid(b)`, with `before` zeros put in front of x and `after` behind it.

    The convolution is a product with windows of `width` symbols, laid side by side: `x W + bias`, where each column of
    W has the length g. `v` is stored as (models, width, channels in, 2 channels out) and used as (models, in, out); `g`
    and the bias are (models, out). W is never formed: `x W = (x v) g / |v|`, which saves a pass over the weights, the
    bulk of the CNN's, each way. (fairseq/modules/conv_tbc.py, linearized_convolution.py)
    """

    def __init__(self, weights: Parameters, gradients: Gradients, name: str, before: int, after: int) -> None:
        self.name, self.gradients = f"{name}.weight_v", gradients
        self.v = weights.values[self.name].flatten(1, 2)
        self.g, self.d_g = (p.values[f"{name}.weight_g"].flatten(1) for p in (weights, gradients))
        self.bias, self.d_bias = (p.values[f"{name}.bias"] for p in (weights, gradients))
        self.before, self.after = before, after
        self.width = before + after + 1
        self.native = kernels.there_are(self.v)

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        """(models, rows, channels in) -> (models, rows, channels out); the rows are those of `packing`."""
        self.packing, (models, rows, channels) = packing, x.shape
        if self.native:
            windows = x.new_empty(models, rows, self.width * channels)
            sizes = len(packing.lengths), channels, self.width, self.before
            kernels.bound(x.dtype, "windows", x.contiguous(), packing.lengths, windows, *sizes)()
        else:
            padded = F.pad(packing.unpack(x), (0, 0, self.before, self.after))
            windows = padded.unfold(2, self.width, 1).mT.flatten(3).flatten(1, 2)
        return self._unit(windows)

    def packing_of(self, mask: Tensor) -> Packing:
        """The rows that are computed of sequences (models, batch, time) with symbols where `mask` is not zero."""
        return Packing(mask, self.v.dtype, alone=self.v.size(0) == 1 and kernels.serve(self.v))

    def step(self, window: Tensor) -> Tensor:
        """(models, batch, width, channels in), the last inputs in order -> (models, batch, channels out)."""
        return self._unit(window.flatten(2))

    def _unit(self, windows: Tensor) -> Tensor:
        """(models, rows, width * channels in) -> (models, rows, channels out)."""
        self.windows = windows
        self.norm = self._norm()
        self.scale = self.g / self.norm
        self.product = product(windows, self.v)
        models, rows, both = self.product.shape
        if self.native:
            self.value, self.gate, y = (windows.new_empty(models, rows, both // 2) for _ in range(3))
            given = self.product, self.scale, self.bias
            made = self.value, self.gate, y
            kernels.bound(y.dtype, "gated_forward", *given, *made, models, rows, both // 2)()
            return y
        normed = torch.addcmul(self.bias[:, None], self.product, self.scale[:, None])
        self.value, gate = normed.chunk(2, -1)
        self.gate = torch.sigmoid(gate)
        return self.value * self.gate

    def _norm(self) -> Tensor:
        """|v|, (models, out)."""
        if kernels.serve(self.v):
            return torch.stack([kernels.squared_columns(v) for v in self.v]).sqrt_()
        return self.v.square().sum(1).sqrt()

    def backward(self, dy: Tensor) -> Tensor:
        """(models, rows, channels out) -> (models, rows, channels in).

        With `s = g / |v|`, the gradient of `v` is `x^T (s d)`, less its part along `v`, which changes nothing.
        """
        d_product, d_scale = self._unit_backward(dy.contiguous())
        torch.div(d_scale, self.norm, out=self.d_g)
        along = self.d_g * self.scale / self.norm
        self.gradients.gather(self.name, Gathered(self.windows, d_product, self.v, along, self.norm))
        d_windows, packing = product(d_product, self.v.mT), self.packing
        by_place = d_windows.unflatten(2, (self.width, -1))
        if self.native:
            dx = torch.empty_like(by_place[:, :, 0])
            sizes = len(packing.lengths), dx.size(2), self.width, self.before
            kernels.bound(dx.dtype, "windows_backward", d_windows, packing.lengths, dx, *sizes)()
            return dx
        by_place = by_place.unflatten(1, (packing.batch, packing.time))
        d_padded = F.pad(torch.zeros_like(by_place[..., 0, :]), (0, 0, self.before, self.after))
        for place in range(self.width):
            d_padded[:, :, place : place + packing.time] += by_place[..., place, :]
        return d_padded[:, :, self.before : self.before + packing.time].flatten(1, 2)

    def _unit_backward(self, dy: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients with respect to the product, (models, rows, out), and scale, (models, out); writes the bias's."""
        if self.native:
            d_product, d_scale = torch.empty_like(self.product), torch.empty_like(self.scale)
            given = dy, self.value, self.gate, self.product, self.scale
            made = d_product, d_scale, self.d_bias
            kernels.bound(dy.dtype, "gated_backward", *given, *made, *dy.shape)()
            return d_product, d_scale
        gated = dy * self.gate
        d_normed = torch.cat((gated, gated * self.value * (1 - self.gate)), -1)
        torch.sum(d_normed, 1, out=self.d_bias)
        return d_normed * self.scale[:, None], (d_normed * self.product).sum(1)
