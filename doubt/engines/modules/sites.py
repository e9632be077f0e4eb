"""Dropout, attention and recurrent layers of any module, answered from a context while it lasts.

`F.dropout` (and so `nn.Dropout`, and what attention drops) multiplies by masks that it is given, and torch's attention
and recurrent kernels are replaced by operations that `vmap` knows. No module is changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from doubt.engines.modules.recurrent import loops


@dataclass(frozen=True)
class Site:
    """A place where dropout acts: the name of the module whose forward calls it, and the number of the call.

    Not a number in the whole pass: behind a loop over time that would depend on the padding.
    """

    module: str
    call: int


@dataclass(frozen=True)
class Found:
    """What is dropped at a site: its shape, batch first (batch x others is taken apart), and the probability."""

    shape: tuple[int, ...]
    p: float


class Dropout:
    """What a context does with dropout: look for its sites, or multiply by their masks.

    Args:
        module: whose forward runs.
        batch: rows of the batch.
        masks: of each site, (batch, ...); None: note the sites in `found` and drop nothing.
    """

    def __init__(self, module: nn.Module, batch: int, masks: Mapping[Site, Tensor] | None) -> None:
        self.found: dict[Site, Found] = {}
        #: Shapes of dropped tensors whose first dimension is not the batch.
        self.misplaced: list[tuple[int, ...]] = []
        self._batch, self._masks = batch, masks
        self._names = {id(each): name for name, each in module.named_modules()}
        self._running: list[str] = []
        self._calls: dict[str, int] = {}

    def drop(
        self,
        input: Tensor,  # noqa: A002  (as F.dropout calls it)
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> Tensor:
        """`F.dropout`."""
        x = input
        if not training or p == 0:
            return x
        name = self._running[-1] if self._running else ""
        site = Site(name, self._calls.get(name, 0))
        self._calls[name] = site.call + 1
        if self._masks is not None:
            return x * self._masks[site].reshape(x.shape)
        if x.dim() == 0 or x.size(0) % self._batch:
            self.misplaced.append(tuple(x.shape))
        else:
            taken_apart = () if x.size(0) == self._batch else (x.size(0) // self._batch,)
            self.found[site] = Found((self._batch, *taken_apart, *x.shape[1:]), p)
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
        """While it lasts, dropout, attention and recurrent layers are answered from here."""
        self._running.clear()
        self._calls.clear()
        before = F.dropout, F.scaled_dot_product_attention
        fast_path = torch.backends.mha.get_fastpath_enabled()
        hooks = [register_module_forward_pre_hook(self._enter), register_module_forward_hook(self._leave)]
        F.dropout, F.scaled_dot_product_attention = self.drop, self.attend
        torch.backends.mha.set_fastpath_enabled(False)  # through nested tensors, which vmap does not know
        try:
            with loops(self.drop):
                yield
        finally:
            F.dropout, F.scaled_dot_product_attention = before
            torch.backends.mha.set_fastpath_enabled(fast_path)
            for hook in hooks:
                hook.remove()

    def _enter(self, module: nn.Module, arguments: Any) -> None:
        self._running.append(self._names.get(id(module), type(module).__name__))

    def _leave(self, module: nn.Module, arguments: Any, output: Any) -> None:
        self._running.pop()
