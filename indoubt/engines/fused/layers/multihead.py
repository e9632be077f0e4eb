"""Multi-head attention of many models at once. (fairseq/modules/multihead_attention.py)

Heads are a mask, not an axis: the queries of all heads stand below each other, each zero outside its head's features,
so one product per example computes the scores of all its heads. With the few features that a head has here, that is
several times as fast as a product per head, and puts the scores where the softmax is fast as well.
"""

from __future__ import annotations

import torch
from torch import Tensor

from indoubt.engines.fused.arrays.gradients import Gradients
from indoubt.engines.fused.arrays.parameters import Block, Parameters
from indoubt.engines.fused.layers.basic import Linear


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
