"""The attention of an LSTM's decoder over the source, step by step, many models at once.

The gradients of its weights are gathered over time.
"""

from __future__ import annotations

import torch
from torch import Tensor

from indoubt.engines.fused import kernels
from indoubt.engines.fused.layers import product
from indoubt.engines.fused.lstm_cell import computed, goes_alone
from indoubt.engines.fused.parameters import Gathered, Gradients, Parameters


class Attention:
    """`p = softmax(source . W_in h);  out = tanh(W_out [p source, h])`. (fairseq/models/lstm.py: AttentionLayer)

    Weights (models, hidden, hidden) and (models, hidden, 2 hidden). As in the cell, at time t only the first
    `active[t]` rows are computed. All that a step computes is kept, (models, time, batch, ...), for the gradients.
    """

    def __init__(
        self, weights: Parameters, gradients: Gradients, name: str, active: list[int], source_mask: Tensor
    ) -> None:
        """`source_mask` (models, batch, source time) is false at padding."""
        self.name, self.gradients = name, gradients
        self.w_in, self.w_out = weights.values[f"{name}.input_proj"], weights.values[f"{name}.output_proj"]
        self.active = active
        self.padding = (~source_mask)[..., None] if not bool(source_mask.all()) else None
        self.lengths = source_mask.sum(-1)
        models, self.hidden, _ = self.w_in.shape
        _, batch, times = source_mask.shape
        size, zeros = (models, len(active), batch), self.w_in.new_zeros
        self.source = zeros(models, batch, times, self.hidden)
        self.joined, self.d_joined = (zeros(*size, 2 * self.hidden) for _ in range(2))  # context, then hidden state
        self.query, self.d_query = (zeros(*size, self.hidden) for _ in range(2))
        self.out, self.d_sum = (zeros(*size, self.hidden) for _ in range(2))  # d_sum: with respect to tanh's argument
        self.attended, self.d_scores = (zeros(*size, times) for _ in range(2))
        self.d_hidden = zeros(models, batch, self.hidden)
        self.native = goes_alone(self.w_in)
        kind = NativeStep if self.native else AttentionStep
        self._steps = [kind(self, t, n) for t, n in enumerate(active)]

    def start(self, source: Tensor) -> None:
        """Before the first step of a pass: the encoder's outputs, (models, batch, source time, hidden)."""
        self.source.copy_(source)

    def forward(self, t: int, hidden: Tensor) -> Tensor:
        """One step's output from its hidden state, both (models, rows, hidden)."""
        step = self._steps[t]
        step.hidden.copy_(hidden)
        step.attend()
        return torch.tanh(step.out, out=step.out)

    def backward(self, t: int, d_out: Tensor) -> tuple[Tensor, Tensor]:
        """Two parts of the gradient with respect to a step's hidden state, from that with respect to its output."""
        step = self._steps[t]
        torch.ops.aten.tanh_backward.grad_input(d_out, step.out, grad_input=step.d_sum)
        step.attend_backward()
        return step.d_hidden, step.d_hidden_by_query

    def gather(self) -> Tensor:
        """The gradients of the weights, after the last backward step; returns the encoder outputs'."""
        all_rows = self.joined, self.d_sum, self.d_query
        joined, d_sum, d_query = (computed(x, self.active, self.native) for x in all_rows)
        of_out = Gathered(d_sum, joined, self.w_out)
        of_in = Gathered(d_query, joined[..., self.hidden :], self.w_in)
        self.gradients.gather(f"{self.name}.output_proj", of_out)
        self.gradients.gather(f"{self.name}.input_proj", of_in)
        d_context = self.d_joined[..., : self.hidden]
        per_row = [x.transpose(1, 2) for x in (self.attended, d_context, self.d_scores, self.query)]
        attended, d_context, d_scores, query = per_row
        return torch.matmul(attended.mT, d_context) + torch.matmul(d_scores.mT, query)


class AttentionStep:
    """One time of the attention, with the parts of its tensors that belong to it, (models, rows, ...)."""

    def __init__(self, attention: Attention, t: int, n: int) -> None:
        a, h = attention, attention.hidden
        self.w_in, self.w_out = a.w_in, a.w_out
        self.source, self.padding = a.source[:, :n], None if a.padding is None else a.padding[:, :n]
        self.joined, self.d_joined = a.joined[:, t, :n], a.d_joined[:, t, :n]
        self.context, self.hidden = self.joined.split(h, -1)
        self.d_context, self.d_hidden = self.d_joined.split(h, -1)
        self.query, self.d_query = a.query[:, t, :n], a.d_query[:, t, :n]
        self.out, self.d_sum = a.out[:, t, :n], a.d_sum[:, t, :n]
        self.attended, self.d_scores = a.attended[:, t, :n], a.d_scores[:, t, :n]
        self.d_hidden_by_query = a.d_hidden[:, :n]

    def attend(self) -> None:
        """From the hidden state to tanh's argument, in `out`."""
        product(self.hidden, self.w_in.mT, self.query)
        scores = torch.matmul(self.source, self.query[..., None])
        if self.padding is not None:
            scores = scores.masked_fill(self.padding, -torch.inf)
        attended = torch.softmax(scores, -2)
        self.attended.copy_(attended.squeeze(-1))
        self.context.copy_(torch.matmul(attended.mT, self.source).squeeze(-2))
        product(self.joined, self.w_out.mT, self.out)

    def attend_backward(self) -> None:
        """From the gradient with respect to tanh's argument to the two parts of the hidden state's."""
        product(self.d_sum, self.w_out, self.d_joined)
        d_attended = torch.matmul(self.source, self.d_context[..., None]).squeeze(-1)
        mean = (self.attended * d_attended).sum(-1, keepdim=True)
        torch.mul(self.attended, d_attended - mean, out=self.d_scores)
        self.d_query.copy_(torch.matmul(self.d_scores[..., None, :], self.source).squeeze(-2))
        product(self.d_query, self.w_in, self.d_hidden_by_query)


class NativeStep(AttentionStep):
    """The same for a single large model on the CPU, by native/lstm.c."""

    def __init__(self, attention: Attention, t: int, n: int) -> None:
        super().__init__(attention, t, n)
        dtype, w_in, w_out = self.w_in.dtype, self.w_in[0], self.w_out[0]
        source, joined, d_joined = attention.source[0], self.joined[0], self.d_joined[0]
        sizes = n, source.size(1), source.size(2)
        self._to_query = kernels.bound_product(self.hidden[0], w_in.mT, self.query[0])
        attended = attention.lengths[0], self.attended[0], joined, joined.stride(0)
        self._to_context = kernels.bound(dtype, "attend_forward", self.query[0], source, *attended, *sizes)
        self._to_out = kernels.bound_product(joined, w_out.mT, self.out[0])
        self._to_d_joined = kernels.bound_product(self.d_sum[0], w_out, d_joined)
        given = d_joined, d_joined.stride(0), source, self.attended[0]
        self._to_d_query = kernels.bound(dtype, "attend_backward", *given, self.d_scores[0], self.d_query[0], *sizes)
        self._to_d_hidden = kernels.bound_product(self.d_query[0], w_in, self.d_hidden_by_query[0])

    def attend(self) -> None:
        """From the hidden state to tanh's argument, in `out`."""
        self._to_query()
        self._to_context()
        self._to_out()

    def attend_backward(self) -> None:
        """From the gradient with respect to tanh's argument to the two parts of the hidden state's."""
        self._to_d_joined()
        self._to_d_query()
        self._to_d_hidden()
