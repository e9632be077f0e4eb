"""The small layers: linear maps, embeddings and layer norm of many models at once, each with its gradient.

Every layer is a pair. `forward` computes the output and remembers what the gradient will need; `backward` takes the
loss's gradient with respect to the output, writes that of the weights into the gradients' own views, and returns that
with respect to the input. Weights have a leading model axis; batch and time stand together as `rows` where a layer does
not tell them apart.
"""

from __future__ import annotations

import torch
from torch import Tensor

from indoubt.engines.fused.arrays import kernels
from indoubt.engines.fused.arrays.gradients import Gradients
from indoubt.engines.fused.arrays.parameters import Parameters


class Linear:
    """`y = x W^T + b` for each model (torch.nn.Linear). Weight (models, out, in), bias (models, out) or none."""

    def __init__(self, weights: Parameters, gradients: Gradients, name: str, *, bias: bool = True) -> None:
        self.weight, self.d_weight = weights.values[f"{name}.weight"], gradients.values[f"{name}.weight"]
        self.bias = weights.values[f"{name}.bias"] if bias else None
        self.d_bias = gradients.values[f"{name}.bias"] if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """(models, rows, in) -> (models, rows, out)."""
        self.x = x
        if self.bias is None:
            return torch.bmm(x, self.weight.mT)
        return torch.baddbmm(self.bias[:, None], x, self.weight.mT)

    def backward(self, dy: Tensor) -> Tensor:
        """(models, rows, out) -> (models, rows, in)."""
        torch.bmm(dy.mT, self.x, out=self.d_weight)
        if self.d_bias is not None:
            torch.sum(dy, 1, out=self.d_bias)
        return torch.bmm(dy, self.weight)


class Embedding:
    """Rows of a table, times `scale` (torch.nn.Embedding; the padding symbol's row is zero and stays so).

    Weight (models, symbols, features). Only the first `used` symbols can occur; None: all.
    """

    def __init__(
        self,
        weights: Parameters,
        gradients: Gradients,
        name: str,
        ids: Tensor,
        padding: int,
        scale: float = 1.0,
        used: int | None = None,
    ) -> None:
        """Ids (models, batch, time) stay the same for all of a lockstep's updates, so their one-hot form is kept."""
        self.weight, self.d_weight = weights.values[f"{name}.weight"], gradients.values[f"{name}.weight"]
        self.scale, self.used = scale, used
        models, symbols, _ = self.weight.shape
        self.shape = ids.shape
        self.index = (ids + symbols * torch.arange(models, device=ids.device)[:, None, None]).flatten()
        one_hot = torch.nn.functional.one_hot(ids.flatten(1), symbols)[..., :used].to(self.weight.dtype)
        one_hot[..., padding] = 0
        self.scaled_one_hot = (one_hot * scale).mT.contiguous()

    def forward(self) -> Tensor:
        """The embedded ids: (models, batch, time, features)."""
        features = self.weight.size(2)
        rows = self.weight.view(-1, features).index_select(0, self.index).view(*self.shape, features)
        return rows if self.scale == 1.0 else rows * self.scale

    def look_up(self, ids: Tensor) -> Tensor:
        """Other ids embedded, without a gradient: (models, ...) -> (models, ..., features)."""
        models = torch.arange(ids.size(0), device=ids.device).view(-1, *[1] * (ids.dim() - 1))
        return self.weight[models, ids] * self.scale

    def backward(self, dy: Tensor) -> None:
        """Gradient with respect to the output, (models, batch, time, features); the input has none."""
        self.d_weight[:, : self.used] = torch.bmm(self.scaled_one_hot, dy.flatten(1, 2))


class LayerNorm:
    """Each row brought to mean 0 and variance 1, then scaled and shifted by what is learned (torch.nn.LayerNorm)."""

    def __init__(self, weights: Parameters, gradients: Gradients, name: str) -> None:
        self.weight, self.d_weight = weights.values[f"{name}.weight"], gradients.values[f"{name}.weight"]
        self.bias, self.d_bias = weights.values[f"{name}.bias"], gradients.values[f"{name}.bias"]

    def forward(self, x: Tensor) -> Tensor:
        """(models, rows, features) -> the same shape."""
        self.x = x
        self.normal, self.mean, self.rstd = torch.native_layer_norm(x, x.shape[-1:], None, None, 1e-5)
        return torch.addcmul(self.bias[:, None], self.normal, self.weight[:, None])

    def backward(self, dy: Tensor) -> Tensor:
        """(models, rows, features) -> the same shape."""
        torch.sum(dy * self.normal, 1, out=self.d_weight)
        torch.sum(dy, 1, out=self.d_bias)
        dx, _, _ = torch.ops.aten.native_layer_norm_backward.default(
            dy * self.weight[:, None], self.x, self.x.shape[-1:], self.mean, self.rstd, None, None, [True, False, False]
        )
        return dx  # type: ignore[no-any-return]


def product(x: Tensor, w: Tensor, out: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """`x w + bias`, where `w` may be large: (models, rows, in) by (models, in, out), bias (models, out) or none."""
    if out is None:
        out = x.new_empty(*x.shape[:2], w.size(2))
    if kernels.serve(w):
        for model in range(x.size(0)):
            kernels.bound_product(x[model], w[model], out[model], None if bias is None else bias[model])()
    elif bias is None:
        torch.bmm(x, w, out=out)
    else:
        torch.baddbmm(bias[:, None], x, w, out=out)
    return out


def dropped(x: Tensor, mask: Tensor | None) -> Tensor:
    """Dropout, and its gradient: times a mask of zeros and 1 / (1 - p), or untouched where there is none."""
    return x if mask is None else x * mask
