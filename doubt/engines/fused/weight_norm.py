"""Linear maps whose columns have a learned length, `W = g v / |v|`, without ever forming `W`.

`x W = (x v) g / |v|`: the product is with `v`, and each output is scaled afterwards, so a pass over the weights (the
bulk of the CNN's memory) is saved forward and backward.
"""

from __future__ import annotations

import torch
from torch import Tensor

from doubt.engines.fused import kernels
from doubt.engines.fused.gradients import Gathered, Gradients
from doubt.engines.fused.layers import product
from doubt.engines.fused.parameters import Parameters


class NormedLinear:
    """`y = x (g v / |v|) + b` for each model. (torch.nn.utils.weight_norm on fairseq/models/fconv.py: Linear, ConvTBC)

    `v` is (models, in, out), |v| the norm of each of its columns, `g` and `b` (models, out).
    """

    def __init__(self, weights: Parameters, gradients: Gradients, name: str, *, convolution: bool = False) -> None:
        """A convolution's `v` is stored as (models, width, channels in, out), a linear map's as (models, out, in)."""

        self.name, self.gradients, self.convolution = f"{name}.weight_v", gradients, convolution
        stored = weights.values[self.name]
        self.v = stored.flatten(1, 2) if convolution else stored.mT
        self.g, self.d_g = (p.values[f"{name}.weight_g"].flatten(1) for p in (weights, gradients))
        self.bias, self.d_bias = (p.values[f"{name}.bias"] for p in (weights, gradients))

    def forward(self, x: Tensor) -> Tensor:
        """(models, rows, in) -> (models, rows, out)."""
        self.x = x
        self.norm = self._norm()
        self.scale = (self.g / self.norm)[:, None]
        self.product = product(x, self.v)
        return torch.addcmul(self.bias[:, None], self.product, self.scale)

    def _norm(self) -> Tensor:
        """|v|, (models, out)."""
        if self.convolution and kernels.serve(self.v):
            return torch.stack([kernels.squared_columns(v) for v in self.v]).sqrt_()
        return self.v.square().sum(1).sqrt()

    def backward(self, dy: Tensor) -> Tensor:
        """(models, rows, out) -> (models, rows, in).

        With `s = g / |v|`, the gradient of `v` is `x^T (s dy)`, less its part along `v`, which changes nothing.
        """
        torch.sum(dy, 1, out=self.d_bias)
        d_scale = (dy * self.product).sum(1)
        torch.div(d_scale, self.norm, out=self.d_g)
        d_product = dy * self.scale
        along = d_scale * self.g / self.norm.pow(3)
        if self.convolution:
            self.gradients.gather(self.name, Gathered(self.x, d_product, self.v, along, self.norm))
        else:
            gradient = self.gradients.values[self.name]
            torch.bmm(d_product.mT, self.x, out=gradient)
            gradient.addcmul_(self.v.mT, along[..., None], value=-1)
        return product(d_product, self.v.mT)
