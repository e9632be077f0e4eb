"""The LSTM decoder's attention over the source, with the gradients of its weights gathered over time."""

from __future__ import annotations

import torch
from torch import Tensor

from doubt.engines.fused.gradients import Gathered, Gradients
from doubt.engines.fused.layers import product
from doubt.engines.fused.parameters import Parameters


class Attention:
    """`p = softmax(source . W_in h);  out = tanh(W_out [p source, h])`. (fairseq/models/lstm.py: AttentionLayer)

    Weights (models, hidden, hidden) and (models, hidden, 2 hidden). As in the cell, at time t only the first
    `active[t]` rows are computed.
    """

    def __init__(
        self, weights: Parameters, gradients: Gradients, name: str, active: list[int], source_mask: Tensor
    ) -> None:
        """`source_mask` (models, batch, source time) is false at padding."""
        self.name, self.gradients = name, gradients
        self.w_in, self.w_out = weights.values[f"{name}.input_proj"], weights.values[f"{name}.output_proj"]
        self.active = active
        self.padding = (~source_mask)[..., None] if not bool(source_mask.all()) else None
        models, hidden, _ = self.w_in.shape
        _, batch, source = source_mask.shape
        size = (models, len(active), batch)
        zeros = self.w_in.new_zeros
        self.joined, self.out = zeros(*size, 2 * hidden), zeros(*size, hidden)
        self.query, self.d_query = zeros(*size, hidden), zeros(*size, hidden)
        self.d_out, self.d_context = zeros(*size, hidden), zeros(*size, hidden)
        self.attended, self.d_scores = zeros(*size, source), zeros(*size, source)
        self.hidden = hidden

    def start(self, source: Tensor) -> None:
        """Before the first step of a pass: the encoder's outputs, (models, batch, source time, hidden)."""
        self.source = source

    def forward(self, t: int, hidden: Tensor) -> Tensor:
        """One step's output from its hidden state, both (models, rows, hidden)."""
        n = self.active[t]
        source = self.source[:, :n]
        query = product(hidden, self.w_in.mT)
        scores = torch.matmul(source, query[..., None])
        if self.padding is not None:
            scores = scores.masked_fill(self.padding[:, :n], -torch.inf)
        attended = torch.softmax(scores, -2)
        joined = self.joined[:, t, :n]
        joined[..., : self.hidden] = torch.matmul(attended.mT, source).squeeze(-2)
        joined[..., self.hidden :] = hidden
        self.query[:, t, :n] = query
        self.attended[:, t, :n] = attended.squeeze(-1)
        return torch.tanh(product(joined, self.w_out.mT), out=self.out[:, t, :n])

    def backward(self, t: int, d_out: Tensor) -> Tensor:
        """Gradient with respect to a step's hidden state from that with respect to its output."""
        n = self.active[t]
        source, attended, out = self.source[:, :n], self.attended[:, t, :n], self.out[:, t, :n]
        d_before_tanh = torch.mul(d_out, 1 - out * out, out=self.d_out[:, t, :n])
        d_context, d_hidden = product(d_before_tanh, self.w_out).split(self.hidden, -1)
        d_attended = torch.matmul(source, d_context[..., None]).squeeze(-1)
        d_scores = attended * (d_attended - (attended * d_attended).sum(-1, keepdim=True))
        d_query = torch.matmul(d_scores[..., None, :], source).squeeze(-2)
        self.d_context[:, t, :n], self.d_scores[:, t, :n], self.d_query[:, t, :n] = d_context, d_scores, d_query
        return torch.add(product(d_query, self.w_in), d_hidden)

    def gather(self) -> Tensor:
        """The gradients of the weights, after the last backward step; returns the encoder outputs'."""
        joined = self.joined.flatten(1, 2)
        of_out = Gathered(self.d_out.flatten(1, 2), joined, self.w_out)
        of_in = Gathered(self.d_query.flatten(1, 2), joined[..., self.hidden :], self.w_in)
        self.gradients.gather(f"{self.name}.output_proj", of_out)
        self.gradients.gather(f"{self.name}.input_proj", of_in)
        per_row = [x.transpose(1, 2) for x in (self.attended, self.d_context, self.d_scores, self.query)]
        attended, d_context, d_scores, query = per_row
        return torch.matmul(attended.mT, d_context) + torch.matmul(d_scores.mT, query)
