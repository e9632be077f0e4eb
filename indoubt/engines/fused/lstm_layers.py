"""One LSTM cell through time and the decoder's attention over the source, many models at once.

The gradients of their weights are gathered over time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from indoubt.engines.fused import kernels
from indoubt.engines.fused.layers import product
from indoubt.engines.fused.parameters import Block, Gathered, Gradients, Parameters

#: A step's hidden state goes to the next step's as such alone.
NOT_FED = -1


def cell_blocks(name: str, fairseq_name: str, suffix: str = "") -> list[Block]:
    """A cell's weights: input's and state's side by side, as one product uses them; their biases below each other."""
    return [
        Block(f"{name}.weight", (f"{fairseq_name}.weight_ih{suffix}", f"{fairseq_name}.weight_hh{suffix}"), dim=1),
        Block(f"{name}.bias", (f"{fairseq_name}.bias_ih{suffix}", f"{fairseq_name}.bias_hh{suffix}")),
    ]


class LSTMCell:
    """`i, f, g, o = W [input, h] + b;  c = sigmoid(f) c + sigmoid(i) tanh(g);  h = sigmoid(o) tanh(c)`.

    Weight (models, 4 hidden, inputs + hidden), bias (models, 8 hidden): the input's and the state's.

    At time t only the first `active[t]` rows of the batch are computed (`rows_at`), never more than at the time before;
    what the others hold stays zero and adds nothing to a gradient.

    Attributes:
        inputs: (models, time + 1, batch, inputs + hidden), what each step's product reads: the input, which the caller
            writes, and the hidden state that the step starts from. Step t leaves its own at t + 1.
        cells: (models, time + 1, batch, hidden), the cell states alike.
        d_hidden, d_cell: (models, batch, hidden), gradients with respect to the states; `backward` takes those of the
            states that a step ends in and leaves those of the states that it starts from.
        d_inputs: (models, time, batch, inputs + hidden), gradients with respect to what the products read.
    """

    def __init__(
        self,
        weights: Parameters,
        gradients: Gradients,
        name: str,
        active: list[int],
        batch: int,
        running: Sequence[Tensor | None] | None = None,
    ) -> None:
        """`running[t]`, (models, rows, 1), says which of the computed rows' states change at time t; None: all."""
        self.name, self.gradients = name, gradients
        self.weight = weights.values[f"{name}.weight"]
        self.bias, self.d_bias = weights.values[f"{name}.bias"], gradients.values[f"{name}.bias"]
        models, gates, width = self.weight.shape
        self.hidden = gates // 4
        self.active = active
        times, zeros = len(active), self.weight.new_zeros
        self.inputs, self.cells = (zeros(models, times + 1, batch, size) for size in (width, self.hidden))
        self.gates, self.d_gates = (zeros(models, times, batch, gates) for _ in range(2))
        self.squashed = zeros(models, times, batch, self.hidden)  # tanh of the cell state that a step ends in
        self.d_inputs = zeros(models, times, batch, width)
        self.d_hidden, self.d_cell = (zeros(models, batch, self.hidden) for _ in range(2))
        self.sum_of_biases = zeros(models, gates)
        self.native = goes_alone(self.weight)
        self._active = torch.tensor(active)
        if self.native:
            self._steps: list[NativeSteps] | list[Step] = [NativeSteps(self, t, t + 1) for t in range(times)]
        else:
            self.to_cell, self.to_gates = torch.zeros_like(self.squashed), torch.zeros_like(self.gates)
            masks = running or [None] * times
            self._steps = [Step(self, t, n, mask) for (t, n), mask in zip(enumerate(active), masks, strict=True)]

    def start(self) -> None:
        """Before the first step of a pass: both biases are one."""
        torch.sum(self.bias.unflatten(1, (2, -1)), 1, out=self.sum_of_biases)

    def forward(self, t: int) -> Tensor:
        """One step; returns the hidden state that it ends in, (models, rows, hidden)."""
        self._steps[t].forward()
        return self.inputs[:, t + 1, : self.active[t], -self.hidden :]

    def all_steps(self, fed: int = NOT_FED, masks: Tensor | None = None) -> NativeSteps:
        """All steps at once, if `native`.

        Args:
            fed: where in the next step's input a step's hidden state comes as well.
            masks: what it is multiplied by there, (1, batch, time, hidden); None: by nothing.
        """
        return NativeSteps(self, 0, len(self.active), fed, masks)

    def start_backward(self) -> None:
        """Before the last step's `backward`: what all steps multiply by, at once."""
        if self.native:
            return
        i, f, g, o = self.gates.split(self.hidden, -1)
        torch.mul(o, 1 - self.squashed * self.squashed, out=self.to_cell)
        before = self.cells[:, :-1]
        parts = (g * i * (1 - i), before * f * (1 - f), i * (1 - g * g), self.squashed * o * (1 - o))
        torch.cat(parts, -1, out=self.to_gates)

    def backward(self, t: int) -> None:
        """Backward through one step."""
        self._steps[t].backward()

    def gather(self) -> None:
        """The gradients of the weights, after the last backward step."""
        d_gates, inputs = (computed(x, self.active, self.native) for x in (self.d_gates, self.inputs[:, :-1]))
        gathered = Gathered(d_gates, inputs, self.weight)
        self.gradients.gather(f"{self.name}.weight", gathered)
        self.d_bias.unflatten(1, (2, -1)).copy_(d_gates.sum(1)[:, None])


def goes_alone(weight: Tensor) -> bool:
    """Whether this, (models, ...), is a large weight of a single model, which shares its lockstep with none."""
    return weight.size(0) == 1 and kernels.serve(weight)


def rows_at(occupied: Sequence[int], batch: int, weight: Tensor) -> list[int]:
    """How many rows are computed at each time, of the first `occupied` ones that some model has a symbol in.

    Of models that may share a lockstep it is all rows of a time that any of them reaches: the product of a row may be
    rounded by how many rows there are, and that would depend on the others.
    """
    return list(occupied) if goes_alone(weight) else [batch if n else 0 for n in occupied]


def computed(x: Tensor, active: Sequence[int], alone: bool) -> Tensor:
    """Of (models, time, batch, ...) the rows that are computed, (models, rows, ...).

    Of models that may share a lockstep it is all times too: how many of them are computed depends on the others.
    """
    if not alone or all(n == x.size(2) for n in active):
        return x.flatten(1, 2)
    return torch.cat([at_time[:, :n] for at_time, n in zip(x.unbind(1), active, strict=True)], 1)


class Step:
    """One time of a cell, with the parts of the cell's tensors that belong to it, (models, rows, ...): cutting them out
    anew takes longer than what is then done with them."""

    def __init__(self, cell: LSTMCell, t: int, n: int, running: Tensor | None) -> None:
        h = cell.hidden
        self.weight, self.sum_of_biases, self.width, self.running = cell.weight, cell.sum_of_biases, h, running
        self.inputs, self.d_inputs = cell.inputs[:, t, :n], cell.d_inputs[:, t, :n]
        self.hidden_before, self.hidden = self.inputs[..., -h:], cell.inputs[:, t + 1, :n, -h:]
        self.before, self.after = cell.cells[:, t, :n], cell.cells[:, t + 1, :n]
        self.gates, self.d_gates = cell.gates[:, t, :n], cell.d_gates[:, t, :n]
        self.i_and_f = self.gates[..., : 2 * h]
        self.i, self.f, self.g, self.o = self.gates.split(h, -1)
        self.squashed, self.to_cell, to_gates = (x[:, t, :n] for x in (cell.squashed, cell.to_cell, cell.to_gates))
        self.to_ifg, self.d_ifg = (x[..., : 3 * h].unflatten(-1, (3, h)) for x in (to_gates, self.d_gates))
        self.to_o, self.d_o = (x[..., 3 * h :] for x in (to_gates, self.d_gates))
        self.d_hidden, self.d_cell = cell.d_hidden[:, :n], cell.d_cell[:, :n]

    def forward(self) -> None:
        """The states that the step ends in."""
        product(self.inputs, self.weight.mT, self.gates, self.sum_of_biases)
        self.i_and_f.sigmoid_()
        self.g.tanh_()
        self.o.sigmoid_()
        torch.addcmul(self.f * self.before, self.i, self.g, out=self.after)
        torch.tanh(self.after, out=self.squashed)
        torch.mul(self.o, self.squashed, out=self.hidden)
        if self.running is not None:
            self.after.copy_(self.after.where(self.running, self.before))
            self.hidden.copy_(self.hidden.where(self.running, self.hidden_before))

    def backward(self) -> None:
        """The gradients of the states that the step starts from, in place of those that it ends in."""
        d_hidden, d_cell = self.d_hidden, self.d_cell
        if self.running is not None:
            d_hidden, d_cell = d_hidden * self.running, d_cell * self.running
        d_cell = torch.addcmul(d_cell, d_hidden, self.to_cell)
        torch.mul(self.to_ifg, d_cell[:, :, None], out=self.d_ifg)
        torch.mul(self.to_o, d_hidden, out=self.d_o)
        product(self.d_gates, self.weight, self.d_inputs)
        d_hidden, d_cell = self.d_inputs[..., -self.width :], d_cell * self.f
        if self.running is not None:
            d_hidden, d_cell = d_hidden.where(self.running, self.d_hidden), d_cell.where(self.running, self.d_cell)
        self.d_hidden.copy_(d_hidden)
        self.d_cell.copy_(d_cell)


class NativeSteps:
    """Some steps of a single large model on the CPU, by native/lstm.c. Of one model all rows that are computed run."""

    def __init__(self, cell: LSTMCell, start: int, end: int, fed: int = NOT_FED, masks: Tensor | None = None) -> None:
        times, batch, width = cell.d_inputs.shape[1:]
        kept = cell.gates, cell.cells, cell.squashed
        self._dtype = cell.weight.dtype
        self._ahead = cell.weight, cell.sum_of_biases, cell.inputs, *kept
        self._back = cell.weight, *kept, cell.d_hidden, cell.d_cell, cell.d_gates, cell.d_inputs
        self._fed = cell._active, masks, 0 if masks is None else masks.stride(1), fed, start, end
        self._sizes = times, batch, width, cell.hidden

    @cached_property
    def forward(self) -> Callable[[], None]:
        """Takes the steps."""
        return kernels.bound(self._dtype, "cell_forward", *self._ahead, *self._fed, *self._sizes[1:])

    @cached_property
    def backward(self) -> Callable[[], None]:
        """Goes back through them."""
        return self._backward(None)

    def _backward(self, d_outputs: Tensor | None) -> Callable[[], None]:
        return kernels.bound(self._dtype, "cell_backward", *self._back, d_outputs, *self._fed, *self._sizes)

    def backward_from(self, d_outputs: Tensor) -> None:
        """`backward`, with gradients of the hidden states from elsewhere, (1, time, batch, hidden)."""
        self._backward(d_outputs.contiguous())()


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
