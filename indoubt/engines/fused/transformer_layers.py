"""The Transformer's two kinds of sublayer, each `norm(x + dropout(f(x)))`. (fairseq/modules/multihead_attention.py)

Heads are a mask, not an axis: the queries of all heads stand below each other, each zero outside its head's features,
so one product per example computes the scores of all its heads. With the few features that a head has here, that is
several times as fast as a product per head, and puts the scores where the softmax is fast as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

from indoubt.engines.fused.dropout import Masks
from indoubt.engines.fused.layers import LayerNorm, Linear, dropped
from indoubt.engines.fused.parameters import Block, Gradients, Parameters


def multihead_blocks(name: str) -> list[Block]:
    """The weights of one attention: keys' and values' maps below each other."""
    return [
        *(Block(f"{name}.q_proj.{part}", (f"{name}.q_proj.{part}",)) for part in ("weight", "bias")),
        *(
            Block(f"{name}.kv.{part}", (f"{name}.k_proj.{part}", f"{name}.v_proj.{part}"))
            for part in ("weight", "bias")
        ),
        *(Block(f"{name}.out_proj.{part}", (f"{name}.out_proj.{part}",)) for part in ("weight", "bias")),
    ]


class MultiHead:
    """`out = W_o [softmax(q_h . k_h / sqrt(features per head)) v_h for each head h]`."""

    def __init__(self, weights: Parameters, gradients: Gradients, name: str, heads: int) -> None:
        self.w_q = Linear(weights, gradients, f"{name}.q_proj")
        self.w_kv = Linear(weights, gradients, f"{name}.kv")
        self.w_out = Linear(weights, gradients, f"{name}.out_proj")
        self.features = self.w_q.weight.size(1)
        self.heads, self.scale = heads, (self.features // heads) ** -0.5
        of_feature = torch.arange(self.features, device=self.w_q.weight.device) // (self.features // heads)
        own = of_feature == torch.arange(heads, device=of_feature.device)[:, None]
        self.own = own[:, None].to(self.w_q.weight.dtype)  # (heads, 1, features)

    def forward(self, x: Tensor, source: Tensor, bias: Tensor | None) -> Tensor:
        """Attend from `x` (models, batch, time, features) to `source` (models, batch, keys, features).

        Args:
            bias: added to the scores: minus infinity where a key must not be seen; (models * batch or 1, keys, time).
        """
        keys, values = self.project(source)
        return self.attend(x, keys, values, bias)

    def project(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values, each (models, batch, keys, features)."""
        keys, values = self.w_kv.forward(source.flatten(1, 2)).unflatten(1, source.shape[1:3]).chunk(2, -1)
        return keys, values

    def attend(self, x: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
        """As `forward`, to keys and values that are there already."""
        self.rows = x.shape[1:3]
        q = (self.w_q.forward(x.flatten(1, 2)) * self.scale).view(-1, 1, self.rows[1], self.features)
        self.q = (q * self.own).flatten(1, 2)  # (models * batch, heads * time, features)
        self.k, self.v = keys.flatten(0, 1), values.flatten(0, 1)
        scores = torch.bmm(self.k, self.q.mT)  # (models * batch, keys, heads * time)
        if bias is not None:
            scores = (scores.unflatten(2, (self.heads, -1)) + bias[:, :, None]).flatten(2)
        self.p = torch.softmax(scores, 1)
        context = torch.bmm(self.p.mT, self.v).unflatten(1, (self.heads, -1))
        context = (context * self.own).sum(1)
        return self.w_out.forward(context.view(x.shape[0], -1, self.features)).view(x.shape)

    def backward(self, dy: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients with respect to `x` and `source`, from that with respect to `forward`'s result."""
        models = dy.size(0)
        d_context = self.w_out.backward(dy.flatten(1, 2)).view(-1, 1, self.rows[1], self.features)
        d_context = (d_context * self.own).flatten(1, 2)
        d_v = torch.bmm(self.p, d_context)
        d_p = torch.bmm(self.v, d_context.mT)
        d_scores = torch._softmax_backward_data(d_p, self.p, 1, d_p.dtype)
        d_k = torch.bmm(d_scores, self.q)
        d_q = (torch.bmm(d_scores.mT, self.k).unflatten(1, (self.heads, -1)) * self.own).sum(1) * self.scale
        d_x = self.w_q.backward(d_q.view(models, -1, self.features)).unflatten(1, self.rows)
        d_kv = torch.cat((d_k, d_v), -1).unflatten(0, (models, -1))
        d_source = self.w_kv.backward(d_kv.flatten(1, 2)).unflatten(1, d_kv.shape[1:3])
        return d_x, d_source


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


def feed_forward_blocks(layer: str) -> list[Block]:
    """A feed-forward sublayer's weights, both with what lies between the products along the rows."""
    names = [f"{layer}.{part}" for part in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")]
    return [Block(name, (name,), transposed=name.endswith("fc1.weight")) for name in names]


class FeedForward:
    """`W_2 relu(W_1 x + b_1) + b_2`.

    Both weights are (models, features, hidden), the biases (models, hidden) and (models, features).
    """

    def __init__(self, weights: Parameters, gradients: Gradients, layer: str) -> None:
        names = [block.name for block in feed_forward_blocks(layer)]
        self.w1, self.b1, self.w2, self.b2 = (weights.values[name] for name in names)
        self.d_w1, self.d_b1, self.d_w2, self.d_b2 = (gradients.values[name] for name in names)
        self.residual = Residual(weights, gradients, f"{layer}.final_layer_norm", f"{layer}.fc2")
        self.active = self.w1.new_empty(0)

    def forward(self, x: Tensor, masks: Masks) -> Tensor:
        """(models, batch, time, features) -> the same shape."""
        self.x = x.flatten(1, 2)
        shape = (*self.x.shape[:2], self.w1.size(2))
        if self.active.shape != shape:
            self.active = x.new_empty(shape)
        torch.baddbmm(self.b1[:, None], self.x, self.w1, out=self.active).relu_()
        y = torch.baddbmm(self.b2[:, None], self.active, self.w2.mT)
        return self.residual.forward(x, y.view(x.shape), masks)

    def backward(self, d_out: Tensor) -> Tensor:
        """(models, batch, time, features) -> the same shape."""
        dx, dy = self.residual.backward(d_out)
        return dx + self._backward(dy.flatten(1, 2)).view(dx.shape)

    def _backward(self, dy: Tensor) -> Tensor:
        torch.bmm(dy.mT, self.active, out=self.d_w2)
        torch.sum(dy, 1, out=self.d_b2)
        d_active = torch.ops.aten.threshold_backward.default(torch.bmm(dy, self.w2), self.active, 0)
        torch.bmm(self.x.mT, d_active, out=self.d_w1)
        torch.sum(d_active, 1, out=self.d_b1)
        return torch.bmm(d_active, self.w1.mT)
