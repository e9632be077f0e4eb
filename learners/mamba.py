"""Mamba, a language model whose state forgets as its input says. Hugging Face's `mamba`, weight for weight."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: The step sizes that a channel starts from, evenly spread in their logarithm.
STEPS = (0.001, 0.1)


class Block(nn.Module):
    """A selective state space, gated, around which the input is added. (Gu and Dao 2023, sections 3.2 to 3.4)"""

    def __init__(self, width: int, expand: int, state: int, kernel: int, rank: int, dropout: float) -> None:
        super().__init__()
        inner = expand * width
        self.inner, self.state, self.kernel, self.rank = inner, state, kernel, rank
        self.norm = nn.RMSNorm(width, eps=1e-5)
        self.into = nn.Linear(width, 2 * inner, bias=False)
        self.filter = nn.Parameter(torch.empty(inner, kernel).uniform_(-(kernel**-0.5), kernel**-0.5))
        self.filter_bias = nn.Parameter(torch.zeros(inner))
        self.select = nn.Linear(inner, rank + 2 * state, bias=False)
        self.step = nn.Linear(rank, inner)
        self.log_decay = nn.Parameter(torch.arange(1, state + 1).log().repeat(inner, 1))
        self.skip = nn.Parameter(torch.ones(inner))
        self.out = nn.Linear(inner, width, bias=False)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.into, self.select):
            nn.init.normal_(layer.weight, std=0.1)
        nn.init.uniform_(self.step.weight, -(rank**-0.5), rank**-0.5)
        size = torch.empty(inner).uniform_(*(math.log(step) for step in STEPS)).exp()
        with torch.no_grad():
            self.step.bias.copy_(size + torch.log(-torch.expm1(-size)))  # its softplus is `size`

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, time, width), and of the same shape what comes out."""
        u, gate = self.into(self.norm(x)).chunk(2, -1)
        times = u.size(1)
        earlier = F.pad(u, (0, 0, self.kernel - 1, 0))
        taps = [earlier[:, k : k + times] * self.filter[:, k] for k in range(self.kernel)]
        u = F.silu(torch.stack(taps).sum(0) + self.filter_bias)
        rank, write, read = self.select(u).split([self.rank, self.state, self.state], -1)
        step = F.softplus(self.step(rank))
        keep = torch.exp(-self.log_decay.exp() * step[..., None])  # (batch, time, inner, state)
        new = (step * u)[..., None] * write[..., None, :]
        state, states = torch.zeros_like(new[:, 0]), []
        for time in range(times):
            state = keep[:, time] * state + new[:, time]
            states.append(state)
        y = (torch.stack(states, 1) @ read[..., None]).squeeze(-1) + self.skip * u
        return x + self.dropout(self.out(y * F.silu(gate)))


class Mamba(nn.Module):
    """Gu and Dao (2023). state: numbers that each channel remembers; rank: of the step sizes, width / 16 by default."""

    def __init__(
        self,
        symbols: int,
        width: int = 16,
        expand: int = 2,
        state: int = 16,
        kernel: int = 4,
        rank: int | None = None,
        layers: int = 1,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.table = nn.Embedding(symbols, width)
        nn.init.normal_(self.table.weight, std=0.1)
        rank = rank or math.ceil(width / 16)
        self.blocks = nn.Sequential(*(Block(width, expand, state, kernel, rank, dropout) for _ in range(layers)))
        self.norm, self.dropout = nn.RMSNorm(width, eps=1e-5), nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.norm(self.blocks(self.dropout(self.table(tokens)))) @ self.table.weight.T
