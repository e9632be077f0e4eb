"""Linear maps whose weights have a learned length, `W = g v / |v|`. (torch.nn.utils.weight_norm, as in fconv.py)"""

from __future__ import annotations

import torch
from torch import Tensor

from indoubt.engines.fused.arrays import kernels
from indoubt.engines.fused.arrays.gradients import Gradients
from indoubt.engines.fused.arrays.parameters import Parameters


class NormedLinear:
    """`y = x W^T + b` for each model, where each row of W has the length g. (fairseq/models/fconv.py: Linear)

    `v` is (models, out, in), |v| the norm of each of its rows, `g` (models, out, 1), `b` (models, out).
    """

    def __init__(self, weights: Parameters, gradients: Gradients, name: str) -> None:
        self.v, self.d_v = (p.values[f"{name}.weight_v"] for p in (weights, gradients))
        self.g, self.d_g = (p.values[f"{name}.weight_g"] for p in (weights, gradients))
        self.bias, self.d_bias = (p.values[f"{name}.bias"] for p in (weights, gradients))
        self.w, self.norm = torch.empty_like(self.v), torch.empty_like(self.g)
        self.native = kernels.there_are(self.v)

    def forward(self, x: Tensor) -> Tensor:
        """(models, rows, in) -> (models, rows, out)."""
        self.x = x.contiguous()
        if self.native:
            y = x.new_empty(*x.shape[:2], self.v.size(1))
            given = self.x, self.v, self.g, self.bias, self.w, self.norm, y
            kernels.bound(x.dtype, "normed_linear", *given, *x.shape[:2], *self.v.shape[1:])()
            return y
        self.norm = torch.linalg.vector_norm(self.v, dim=2, keepdim=True)
        self.w = self.v * (self.g / self.norm)
        return torch.baddbmm(self.bias[:, None], x, self.w.mT)

    def backward(self, dy: Tensor) -> Tensor:
        """(models, rows, out) -> (models, rows, in)."""
        if self.native:
            dy, dx, room = dy.contiguous(), torch.empty_like(self.x), dy.new_empty(dy.shape[1:])
            given = dy, self.x, self.v, self.g, self.w, self.norm
            made = self.d_v, self.d_g, self.d_bias, dx, room
            kernels.bound(dy.dtype, "normed_linear_backward", *given, *made, *dy.shape[:2], *self.v.shape[1:])()
            return dx
        torch.sum(dy, 1, out=self.d_bias)
        d_w = torch.bmm(dy.mT, self.x)
        torch.div((d_w * self.v).sum(2, keepdim=True), self.norm, out=self.d_g)
        torch.mul(d_w - self.v * (self.d_g / self.norm), self.g / self.norm, out=self.d_v)
        return torch.bmm(dy, self.w)
