"""One LSTM cell through time, many models at once; the gradients of its weights are gathered over time."""

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
