"""Dropout, attention and recurrent layers of any module, answered from a context while it lasts.

`F.dropout` (and so `nn.Dropout`, and what attention drops) multiplies by masks that it is given, and torch's attention
and recurrent kernels are replaced, where they drop or `vmap` has no rule for them, by operations: recurrent layers by
loops, since their kernels also drop unseen. No module is changed.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

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


#: Held while torch's functions are replaced: those that would replace them too, in other threads, wait.
_REPLACED = threading.RLock()
#: torch's own, whoever asks while they are replaced.
_DROPOUT, _ATTENTION = F.dropout, F.scaled_dot_product_attention


@dataclass(frozen=True)
class ModuleSite:
    """A place where dropout acts: the name of the module whose forward calls it, and the number of the call.

    Not a number in the whole pass: behind a loop over time that would depend on the padding.
    """

    module: str
    call: int


@dataclass(frozen=True)
class SiteShape:
    """What is dropped at a site: its shape, batch first (batch x others is taken apart), and the probability."""

    shape: tuple[int, ...]
    p: float


class Dropout:
    """What a context does with dropout: look for its sites, or multiply by their masks.

    Args:
        module: whose forward runs.
        batch: rows of the batch.
        masks: of each site, (batch, ...); None: note the sites in `found` and drop nothing.
        batched: whether `vmap` runs the module; else torch's own kernels are kept where they drop nothing.
    """

    def __init__(
        self, module: nn.Module, batch: int, masks: Mapping[ModuleSite, Tensor] | None, batched: bool = False
    ) -> None:
        self.found: dict[ModuleSite, SiteShape] = {}
        #: Shapes of dropped tensors whose first dimension is not the batch.
        self.misplaced: list[tuple[int, ...]] = []
        #: Whether something was dropped in place.
        self.in_place = False
        self._batch, self._masks, self._batched = batch, masks, batched
        self._names = {id(each): name for name, each in module.named_modules()}
        self._running: list[str] = []
        self._calls: dict[str, int] = {}
        self._thread = 0  # what other threads ask of torch meanwhile is torch's to answer

    def drop(
        self,
        input: Tensor,  # noqa: A002  (as F.dropout calls it)
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> Tensor:
        """`F.dropout`."""
        x = input
        if not self._is_ours() or not 0 <= p <= 1:  # torch's own says what is wrong with p
            return _DROPOUT(x, p, training, inplace)
        if not training or p == 0:
            return x
        self.in_place |= inplace
        name = self._running[-1] if self._running else ""
        site = ModuleSite(name, self._calls.get(name, 0))
        self._calls[name] = site.call + 1
        if self._masks is not None:
            mask = self._masks[site].reshape(x.shape)
            return x.mul_(mask) if inplace else x * mask
        if x.dim() == 0 or x.size(0) % self._batch:
            self.misplaced.append(tuple(x.shape))
        else:
            taken_apart = () if x.size(0) == self._batch else (x.size(0) // self._batch,)
            self.found[site] = SiteShape((self._batch, *taken_apart, *x.shape[1:]), p)
        return x

    def attend(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """`F.scaled_dot_product_attention`, which has no batching rule of its own on a CPU."""
        if not self._replaces(dropout_p > 0):
            return _ATTENTION(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa)
        if enable_gqa:
            times = query.size(-3) // key.size(-3)
            key, value = key.repeat_interleave(times, -3), value.repeat_interleave(times, -3)
        scores = query @ key.transpose(-1, -2) * (query.size(-1) ** -0.5 if scale is None else scale)
        never = torch.finfo(scores.dtype).min  # and not -inf, of which a row would become NaN
        if is_causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(later, never)
        if attn_mask is not None:
            scores = scores.masked_fill(~attn_mask, never) if attn_mask.dtype == torch.bool else scores + attn_mask
        return self.drop(scores.softmax(-1), dropout_p) @ value

    @contextmanager
    def active(self) -> Iterator[None]:
        """While it lasts, dropout, attention and recurrent layers are answered from here, in this thread."""
        with _REPLACED:
            self._running.clear()
            self._calls.clear()
            self._thread = threading.get_ident()
            before = F.dropout, F.scaled_dot_product_attention
            hooks = [
                register_module_forward_pre_hook(self._enter),
                register_module_forward_hook(self._leave, always_call=True),
            ]
            F.dropout, F.scaled_dot_product_attention = self.drop, self.attend
            try:
                with loops(self.drop, self._replaces), plainly():
                    yield
            finally:
                F.dropout, F.scaled_dot_product_attention = before
                for hook in hooks:
                    hook.remove()

    def _is_ours(self) -> bool:
        return threading.get_ident() == self._thread

    def _replaces(self, drops: bool) -> bool:
        """Whether a kernel of torch's is replaced here, which may itself drop."""
        return self._is_ours() and (self._batched or drops)

    def _enter(self, module: nn.Module, arguments: Any) -> None:
        if self._is_ours():
            self._running.append(self._names.get(id(module), type(module).__name__))

    def _leave(self, module: nn.Module, arguments: Any, output: Any) -> None:
        if self._is_ours() and self._running:
            self._running.pop()


@contextmanager
def plainly() -> Iterator[None]:
    """While it lasts, no path of torch's is taken that only some shapes or machines have, and what is printed is no
    answer: attention without nested tensors, which `vmap` does not know, and functions under `torch.compile` as
    they are written, since each shape and each model would be compiled anew.
    """
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    # the module is there if anything is compiled, and slow to import if nothing is
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else contextlib.nullcontext()
    try:
        with eager, contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
