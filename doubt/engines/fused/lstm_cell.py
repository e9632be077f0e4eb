"""One LSTM cell through time, many models at once, with the gradients of its weights gathered over time."""

from __future__ import annotations

import torch
from torch import Tensor

from doubt.engines.fused.gradients import Gradients
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

    def start(self) -> None:
        """Before the first step of a pass: both biases are one."""
        self._bias = self.bias.unflatten(1, (2, -1)).sum(1)[:, None]

    def forward(self, t: int, cell: Tensor) -> tuple[Tensor, Tensor]:
        """One step from cell state (models, rows, hidden): the new hidden and cell states, of that shape."""
        n, h = self.active[t], self.hidden
        gates = self.gates[:, t, :n]
        product(self.inputs[:, t, :n], self.weight.mT, out=gates)
        gates += self._bias
        gates[..., : 2 * h].sigmoid_()
        gates[..., 2 * h : 3 * h].tanh_()
        gates[..., 3 * h :].sigmoid_()
        i, f, g, o = gates.split(h, -1)
        self.before[:, t, :n] = cell
        cell = torch.addcmul(f * cell, i, g)
        squashed = torch.tanh(cell, out=self.squashed[:, t, :n])
        return o * squashed, cell

    def start_backward(self) -> None:
        """What every backward step multiplies by, for all steps at once."""
        i, f, g, o = self.gates.split(self.hidden, -1)
        self._to_cell = o * (1 - self.squashed * self.squashed)
        self._to_gates = torch.cat(
            (g * i * (1 - i), self.before * f * (1 - f), i * (1 - g * g), self.squashed * o * (1 - o)), -1
        )

    def backward(self, t: int, d_hidden: Tensor, d_cell: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients with respect to a step's inputs (models, rows, inputs + hidden) and previous cell state.

        Args:
            d_hidden: gradient with respect to the step's hidden state, (models, rows, hidden).
            d_cell: gradient with respect to its cell state, (models, rows, hidden).
        """
        n, h = self.active[t], self.hidden
        d_cell = torch.addcmul(d_cell, d_hidden, self._to_cell[:, t, :n])
        to_gates, d_gates = self._to_gates[:, t, :n], self.d_gates[:, t, :n]
        for gate in range(3):
            part = slice(gate * h, (gate + 1) * h)
            torch.mul(to_gates[..., part], d_cell, out=d_gates[..., part])
        torch.mul(to_gates[..., 3 * h :], d_hidden, out=d_gates[..., 3 * h :])
        return product(d_gates, self.weight), d_cell * self.gates[:, t, :n, h : 2 * h]

    def gather(self) -> None:
        """The gradients of the weights, after the last backward step."""
        d_gates = self.d_gates.flatten(1, 2)
        self.gradients.gather(f"{self.name}.weight", d_gates, self.inputs.flatten(1, 2), self.weight)
        self.d_bias.unflatten(1, (2, -1)).copy_(d_gates.sum(1)[:, None])
