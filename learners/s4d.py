"""S4D, a language model whose state decays and turns at rates that no input changes: a long convolution."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class StateSpace(nn.Module):
    """Each channel's own linear recurrence h' = exp(A step) h + B u, y = Re(C h) + D u, as one causal convolution.

    Diagonal A = -1/2 + i pi n, n = 0, 1, ..., and B by zero-order hold, S4D-Lin. (Gu et al. 2022, sections 3 and 4)
    Complex numbers are pairs of real ones, since not every operation on them can be batched over models.
    """

    def __init__(self, width: int, state: int) -> None:
        super().__init__()
        pairs = state // 2  # of a number and its conjugate
        self.log_step = nn.Parameter(torch.empty(width).uniform_(math.log(0.001), math.log(0.1)))
        self.log_decay = nn.Parameter(torch.full((width, pairs), math.log(0.5)))
        self.turn = nn.Parameter(math.pi * torch.arange(pairs).repeat(width, 1))
        self.read = nn.Parameter(torch.randn(width, pairs, 2) * 0.5**0.5)
        self.skip = nn.Parameter(torch.randn(width))

    def kernel(self, times: int) -> Tensor:
        """(width, times): what a symbol adds to the output so many times later."""
        step, decay = self.log_step.exp()[:, None], self.log_decay.exp()
        real, imaginary = -decay * step, self.turn * step
        # (exp(A step) - 1) / A, what the input is multiplied by on its way into the state
        grown_real = real.exp() * imaginary.cos() - 1
        grown_imaginary = real.exp() * imaginary.sin()
        square = decay.square() + self.turn.square()
        into_real = (-grown_real * decay + grown_imaginary * self.turn) / square
        into_imaginary = (-grown_imaginary * decay - grown_real * self.turn) / square
        read_real, read_imaginary = self.read.unbind(-1)
        out_real = read_real * into_real - read_imaginary * into_imaginary
        out_imaginary = read_real * into_imaginary + read_imaginary * into_real
        later = torch.arange(times, device=step.device)
        size, angle = (real[..., None] * later).exp(), imaginary[..., None] * later
        return 2 * (size * (out_real[..., None] * angle.cos() - out_imaginary[..., None] * angle.sin())).sum(1)

    def forward(self, u: Tensor) -> Tensor:
        """u (batch, time, width), and of the same shape what comes out."""
        places = torch.arange(u.size(1), device=u.device)
        later = places[:, None] - places
        toeplitz = self.kernel(u.size(1))[:, later.clamp(min=0)] * (later >= 0)  # (width, time, time)
        return torch.einsum("wts,bsw->btw", toeplitz, u) + self.skip * u


class Block(nn.Module):
    """Norm, state space, gated linear unit, around which the input is added."""

    def __init__(self, width: int, state: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.space = nn.LayerNorm(width), StateSpace(width, state)
        self.dropout, self.mix = nn.Dropout(dropout), nn.Linear(width, 2 * width)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.glu(self.mix(self.dropout(F.gelu(self.space(self.norm(x))))), -1)


class S4D(nn.Module):
    """Gu, Goel, Gupta and Re (2022). state: numbers that each channel remembers, an even number."""

    def __init__(self, symbols: int, width: int = 16, state: int = 16, layers: int = 1, dropout: float = 0.1) -> None:
        super().__init__()
        if state < 2 or state % 2:
            raise ValueError(f"state: {state} is no even number from 2 on")
        self.table, self.out = nn.Embedding(symbols, width), nn.Linear(width, symbols, bias=False)
        self.blocks = nn.Sequential(*(Block(width, state, dropout) for _ in range(layers)))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.out(self.blocks(self.table(tokens)))
