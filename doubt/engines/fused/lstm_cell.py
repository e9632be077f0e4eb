"""One LSTM cell through time, many models at once, with the gradients of its weights gathered over time."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from doubt.engines.fused.gradients import Gathered, Gradients
from doubt.engines.fused.layers import product
from doubt.engines.fused.parameters import Block, Parameters


def cell_blocks(name: str, fairseq_name: str, suffix: str = "") -> list[Block]:
    """A cell's weights: input's and state's side by side, as one product uses them; their biases below each other."""
    return [
        Block(f"{name}.weight", (f"{fairseq_name}.weight_ih{suffix}", f"{fairseq_name}.weight_hh{suffix}"), dim=1),
        Block(f"{name}.bias", (f"{fairseq_name}.bias_ih{suffix}", f"{fairseq_name}.bias_hh{suffix}")),
    ]


class Cell:
    """`i, f, g, o = W [input, h] + b;  c = sigmoid(f) c + sigmoid(i) tanh(g);  h = sigmoid(o) tanh(c)`.

    Weight (models, 4 hidden, inputs + hidden), bias (models, 8 hidden): the input's and the state's. The caller writes
    each step's input and previous state into `inputs` (models, time, batch, inputs + hidden), then calls `forward`.

    At time t only the first `active[t]` rows of the batch are computed; what the others hold stays zero and adds
    nothing to a gradient.
    """

    def __init__(self, weights: Parameters, gradients: Gradients, name: str, active: list[int], batch: int) -> None:
        self.name, self.gradients = name, gradients
        self.weight = weights.values[f"{name}.weight"]
        self.bias, self.d_bias = weights.values[f"{name}.bias"], gradients.values[f"{name}.bias"]
        models, gates, width = self.weight.shape
        self.hidden = gates // 4
        self.active = active
        size = (models, len(active), batch)
        self.inputs = self.weight.new_zeros(*size, width)
        self.gates = self.weight.new_zeros(*size, gates)
        self.d_gates = self.weight.new_zeros(*size, gates)
        self.before = self.weight.new_zeros(*size, self.hidden)  # cell state that a step starts from
        self.squashed = self.weight.new_zeros(*size, self.hidden)  # tanh of the cell state that it ends in
        self.to_cell = self.weight.new_zeros(*size, self.hidden)  # what backward multiplies by, see start_backward
        self.to_gates = self.weight.new_zeros(*size, gates)
        self._steps = [_Step.of(self, t, n) for t, n in enumerate(active)]

    def start(self) -> None:
        """Before the first step of a pass: both biases are one."""
        self._bias = self.bias.unflatten(1, (2, -1)).sum(1)[:, None]

    def forward(self, t: int, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One step from cell state (models, rows, hidden): the new hidden and cell states, of that shape."""
        step = self._steps[t]
        product(step.inputs, self.weight.mT, out=step.gates)
        step.gates.add_(self._bias)
        step.i_and_f.sigmoid_()
        step.g.tanh_()
        step.o.sigmoid_()
        step.before.copy_(cell)
        cell = torch.addcmul(step.f * cell, step.i, step.g)
        return step.o * torch.tanh(cell, out=step.squashed), cell

    def start_backward(self) -> None:
        """What every backward step multiplies by, for all steps at once."""
        i, f, g, o = self.gates.split(self.hidden, -1)
        torch.mul(o, 1 - self.squashed * self.squashed, out=self.to_cell)
        parts = (g * i * (1 - i), self.before * f * (1 - f), i * (1 - g * g), self.squashed * o * (1 - o))
        torch.cat(parts, -1, out=self.to_gates)

    def backward(self, t: int, d_hidden: Tensor, d_cell: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients with respect to a step's inputs (models, rows, inputs + hidden) and previous cell state.

        Args:
            d_hidden: gradient with respect to the step's hidden state, (models, rows, hidden).
            d_cell: gradient with respect to its cell state, (models, rows, hidden).
        """
        step = self._steps[t]
        d_cell = torch.addcmul(d_cell, d_hidden, step.to_cell)
        torch.mul(step.to_ifg, d_cell[:, :, None], out=step.d_ifg)
        torch.mul(step.to_o, d_hidden, out=step.d_o)
        return product(step.d_gates, self.weight), d_cell * step.f

    def gather(self) -> None:
        """The gradients of the weights, after the last backward step."""
        d_gates = self.d_gates.flatten(1, 2)
        gathered = Gathered(d_gates, self.inputs.flatten(1, 2), self.weight)
        self.gradients.gather(f"{self.name}.weight", gathered)
        self.d_bias.unflatten(1, (2, -1)).copy_(d_gates.sum(1)[:, None])


@dataclass(frozen=True)
class _Step:
    """The parts of a cell's tensors that belong to one time, (models, rows, ...); cutting them out anew takes longer
    than what is then done with them."""

    inputs: Tensor
    gates: Tensor
    i_and_f: Tensor
    i: Tensor
    f: Tensor
    g: Tensor
    o: Tensor
    before: Tensor
    squashed: Tensor
    to_cell: Tensor
    to_ifg: Tensor
    to_o: Tensor
    d_gates: Tensor
    d_ifg: Tensor
    d_o: Tensor

    @staticmethod
    def of(cell: Cell, t: int, n: int) -> _Step:
        h = cell.hidden
        gates, to_gates, d_gates = (x[:, t, :n] for x in (cell.gates, cell.to_gates, cell.d_gates))
        i, f, g, o = gates.split(h, -1)
        before, squashed, to_cell = (x[:, t, :n] for x in (cell.before, cell.squashed, cell.to_cell))
        to_ifg, d_ifg = (x[..., : 3 * h].unflatten(-1, (3, h)) for x in (to_gates, d_gates))
        to_o, d_o = (x[..., 3 * h :] for x in (to_gates, d_gates))
        i_and_f, inputs = gates[..., : 2 * h], cell.inputs[:, t, :n]
        return _Step(inputs, gates, i_and_f, i, f, g, o, before, squashed, to_cell, to_ifg, to_o, d_gates, d_ifg, d_o)
