"""The Transformer's two kinds of sublayer, each `norm(x + dropout(f(x)))`."""

from __future__ import annotations

import torch
from torch import Tensor

from doubt.engines.fused.gradients import Gradients
from doubt.engines.fused.layers import LayerNorm, dropped
from doubt.engines.fused.masks import Masks
from doubt.engines.fused.multihead import MultiHead
from doubt.engines.fused.parameters import Parameters

#: Numbers that fit into a core's cache beside weights: half a megabyte.
CACHED = 2**17


class Residual:
    """`norm(x + dropout(y))`, flattened to rows for the norm."""

    def __init__(self, weights: Parameters, gradients: Gradients, norm: str, site: str) -> None:
        self.norm, self.site = LayerNorm(weights, gradients, norm), site

    def forward(self, x: Tensor, y: Tensor, masks: Masks) -> Tensor:
        """Both, and the result, (models, batch, time, features)."""
        self.mask = masks.get(self.site)
        return self.norm.forward((x + dropped(y, self.mask)).flatten(1, 2)).view(x.shape)

    def backward(self, d_out: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients with respect to `x` and `y`."""
        dx = self.norm.backward(d_out.flatten(1, 2)).view(d_out.shape)
        return dx, dropped(dx, self.mask)


class Attend:
    """Attention, to oneself or to the source."""

    def __init__(self, weights: Parameters, gradients: Gradients, layer: str, kind: str, heads: int) -> None:
        """`kind` is `self_attn` or `encoder_attn`, as fairseq calls them."""
        self.attention = MultiHead(weights, gradients, f"{layer}.{kind}", heads)
        self.residual = Residual(weights, gradients, f"{layer}.{kind}_layer_norm", f"{layer}.{kind}")

    def forward(self, x: Tensor, source: Tensor, bias: Tensor | None, masks: Masks) -> Tensor:
        """From `x` (models, batch, time, features) to `source` (models, batch, keys, features) -> as `x`."""
        return self.residual.forward(x, self.attention.forward(x, source, bias), masks)

    def backward(self, d_out: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients with respect to `x` and `source`."""
        dx, dy = self.residual.backward(d_out)
        from_query, d_source = self.attention.backward(dy)
        return dx + from_query, d_source

    def remember(self, source: Tensor, bias: Tensor | None) -> None:
        """Begin decoding: the keys and values that every step sees, and their bias (models * batch, keys, 1)."""
        self.keys, self.values = self.attention.project(source)
        self.bias = bias

    def recall(self, x: Tensor) -> None:
        """Add one symbol, (models, batch, 1, features), to what is seen from now on."""
        key, value = self.attention.project(x)
        self.keys, self.values = torch.cat((self.keys, key), 2), torch.cat((self.values, value), 2)
        if self.bias is not None:
            self.bias = torch.cat((self.bias, self.bias.new_zeros(self.bias.size(0), 1, 1)), 1)

    def forward_remembered(self, x: Tensor) -> Tensor:
        """As `forward`, to what is remembered."""
        return self.residual.forward(x, self.attention.attend(x, self.keys, self.values, self.bias), {})


class FeedForward:
    """`W_2 relu(W_1 x)`, some models at a time, so that on the CPU what lies between the two stays in the cache."""

    def __init__(self, weights: Parameters, gradients: Gradients, layer: str) -> None:
        names = [f"{layer}.{part}" for part in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")]
        self.of_weights, self.of_gradients = ([p.values[name] for name in names] for p in (weights, gradients))
        self.residual = Residual(weights, gradients, f"{layer}.final_layer_norm", f"{layer}.fc2")
        self.active = weights.flat.new_empty(0)

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """(models, batch, time, features) -> the same shape."""
        self.x = x.flatten(1, 2)
        y = torch.empty_like(self.x)
        shape = (*self.x.shape[:2], self.of_weights[1].size(1))
        if self.active.shape != shape:
            self.active = x.new_empty(shape)
        for models in self._groups():
            w1, b1, w2, b2 = (weight[models] for weight in self.of_weights)
            active = torch.baddbmm(b1[:, None], self.x[models], w1.mT, out=self.active[models]).relu_()
            torch.baddbmm(b2[:, None], active, w2.mT, out=y[models])
        return self.residual.forward(x, y.view(x.shape), masks)

    def backward(self, d_out: Tensor) -> Tensor:
        """(models, batch, time, features) -> the same shape."""
        dx, dy = self.residual.backward(d_out)
        dy, from_linear = dy.flatten(1, 2), torch.empty_like(self.x)
        room = self.active.new_empty(self._together(), *self.active.shape[1:])
        for models in self._groups():
            w1, _, w2, _ = (weight[models] for weight in self.of_weights)
            d_w1, d_b1, d_w2, d_b2 = (gradient[models] for gradient in self.of_gradients)
            active, dy_part = self.active[models], dy[models]
            torch.bmm(dy_part.mT, active, out=d_w2)
            torch.sum(dy_part, 1, out=d_b2)
            d_active = torch.bmm(dy_part, w2, out=room[: len(dy_part)])
            torch.ops.aten.threshold_backward(d_active, active, 0, grad_input=d_active)
            torch.bmm(d_active.mT, self.x[models], out=d_w1)
            torch.sum(d_active, 1, out=d_b1)
            torch.bmm(d_active, w1, out=from_linear[models])
        return dx + from_linear.view(dx.shape)

    def _together(self) -> int:
        """How many models at a time."""
        models, rows, features = self.active.shape
        return models if self.active.is_cuda else min(models, max(1, CACHED // (rows * features)))

    def _groups(self) -> list[slice]:
        step = self._together()
        return [slice(start, start + step) for start in range(0, len(self.active), step)]
