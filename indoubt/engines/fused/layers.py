"""The small layers of many models at once, each with its gradient: linear maps, embeddings, layer norm, convolution.

Every layer is a pair. `forward` computes the output and remembers what the gradient will need; `backward` takes the
loss's gradient with respect to the output, writes that of the weights into the gradients' own views, and returns that
with respect to the input. Weights have a leading model axis; batch and time stand together as `rows` where a layer does
not tell them apart.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from indoubt.engines.fused import kernels
from indoubt.engines.fused.batches import Packing
from indoubt.engines.fused.parameters import Gathered, Gradients, Parameters


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
