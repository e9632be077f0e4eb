"""torch's recurrent layers as loops of operations, for `vmap` has no rule for its kernels, which also drop unseen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

#: One step: the input's part of the gates, state, memory, recurrent weights and bias; gives state and memory.
Step = Callable[[Tensor, Tensor, Tensor, Tensor, "Tensor | None"], tuple[Tensor, Tensor]]


def _affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x @ weight.T if bias is None else x @ weight.T + bias


def _lstm(given: Tensor, state: Tensor, memory: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    write, keep, new, show = (given + _affine(state, weight, bias)).chunk(4, -1)
    memory = keep.sigmoid() * memory + write.sigmoid() * new.tanh()
    return show.sigmoid() * memory.tanh(), memory


def _gru(given: Tensor, state: Tensor, memory: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
    reset, keep, new = given.chunk(3, -1)
    own_reset, own_keep, own_new = _affine(state, weight, bias).chunk(3, -1)
    keep = (keep + own_keep).sigmoid()
    new = (new + (reset + own_reset).sigmoid() * own_new).tanh()
    return new + keep * (state - new), memory


def _rnn(activation: Callable[[Tensor], Tensor]) -> Step:
    def step(
        given: Tensor, state: Tensor, memory: Tensor, weight: Tensor, bias: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        return activation(given + _affine(state, weight, bias)), memory

    return step


STEPS: dict[str, Step] = {"lstm": _lstm, "gru": _gru, "rnn_tanh": _rnn(torch.tanh), "rnn_relu": _rnn(torch.relu)}


@contextmanager
def loops(drop: Callable[..., Tensor], replaces: Callable[[bool], bool]) -> Iterator[None]:
    """While it lasts, `nn.LSTM`, `nn.GRU` and `nn.RNN` run as loops; between layers `drop` drops.

    Packed sequences go to torch's own kernels: their lengths are no tensors, so nothing is gained.

    Args:
        replaces: whether a call is replaced, by whether it drops.
    """
    for name, step in STEPS.items():
        setattr(torch._VF, name, _unrolled(name, step, getattr(torch._C._VariableFunctions, name), drop, replaces))
    try:
        yield
    finally:
        for name in STEPS:
            delattr(torch._VF, name)


def _unrolled(
    name: str,
    step: Step,
    kernel: Callable[..., Any],
    drop: Callable[..., Tensor],
    replaces: Callable[[bool], bool],
) -> Callable[..., Any]:
    """What answers `torch._VF.lstm` and its like."""

    def run(
        x: Tensor,
        initial: Tensor | tuple[Tensor, Tensor],
        weights: Sequence[Tensor],
        *rest: Any,
    ) -> Any:
        if isinstance(weights, tuple | list) and len(rest) == 6:
            bias, layers, dropout, training, bidirectional, batch_first = rest
        else:  # data, batch_sizes, ...: a packed sequence
            return kernel(x, initial, weights, *rest)
        if not replaces(training and dropout > 0 and layers > 1):
            return kernel(x, initial, weights, *rest)
        states, memories = initial if isinstance(initial, tuple) else (initial, initial)
        if weights and len(weights) != layers * (1 + bidirectional) * (4 if bias else 2):  # an LSTM's projections
            return kernel(x, initial, weights, *rest)
        x = x.transpose(0, 1) if batch_first else x
        ends: list[tuple[Tensor, Tensor]] = []
        for layer in range(layers):
            sides = []
            for side in range(1 + bidirectional):
                place = layer * (1 + bidirectional) + side
                ours = weights[place * (4 if bias else 2) :]
                of_input, of_state = ours[0], ours[1]
                input_bias, state_bias = (ours[2], ours[3]) if bias else (None, None)
                given = _affine(x, of_input, input_bias)
                state, memory, outputs = states[place], memories[place], []
                for time in reversed(range(x.size(0))) if side else range(x.size(0)):
                    state, memory = step(given[time], state, memory, of_state, state_bias)
                    outputs.append(state)
                sides.append(torch.stack(outputs[::-1] if side else outputs))
                ends.append((state, memory))
            x = torch.cat(sides, -1)
            if layer + 1 < layers:
                x = drop(x.transpose(0, 1), dropout, training).transpose(0, 1)
        x = x.transpose(0, 1) if batch_first else x
        last = torch.stack([state for state, _ in ends])
        return (x, last, torch.stack([memory for _, memory in ends])) if name == "lstm" else (x, last)

    return run
