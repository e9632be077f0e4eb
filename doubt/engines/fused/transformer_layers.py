"""The Transformer's two kinds of sublayer, each `norm(x + dropout(f(x)))`."""

from __future__ import annotations

import torch
from torch import Tensor

from doubt.engines.fused.gradients import Gradients
from doubt.engines.fused.layers import LayerNorm, Linear, dropped
from doubt.engines.fused.masks import Masks
from doubt.engines.fused.multihead import MultiHead
from doubt.engines.fused.parameters import Parameters


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
    """`W_2 relu(W_1 x)`."""

    def __init__(self, weights: Parameters, gradients: Gradients, layer: str) -> None:
        self.fc1 = Linear(weights, gradients, f"{layer}.fc1")
        self.fc2 = Linear(weights, gradients, f"{layer}.fc2")
        self.residual = Residual(weights, gradients, f"{layer}.final_layer_norm", f"{layer}.fc2")

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """(models, batch, time, features) -> the same shape."""
        self.active = self.fc1.forward(x.flatten(1, 2)).relu_()
        return self.residual.forward(x, self.fc2.forward(self.active).view(x.shape), masks)

    def backward(self, d_out: Tensor) -> Tensor:
        """(models, batch, time, features) -> the same shape."""
        dx, dy = self.residual.backward(d_out)
        d_active = torch.ops.aten.threshold_backward(self.fc2.backward(dy.flatten(1, 2)), self.active, 0)
        return dx + self.fc1.backward(d_active).view(dx.shape)
