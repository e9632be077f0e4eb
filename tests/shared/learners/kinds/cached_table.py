"""A table of positions that is made once and kept in a cache of the file's."""

import functools
import math

import torch
from torch import nn


@functools.cache
def positions(n, width):
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angles = torch.arange(n)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], -1)


class M(nn.Module):
    def __init__(self, symbols, width=16, longest=512):
        super().__init__()
        self.e = nn.Embedding(symbols, width)
        self.register_buffer("p", positions(longest, width))
        self.r = nn.GRU(width, width, batch_first=True)
        self.o = nn.Linear(width, symbols)

    def forward(self, tokens):
        return self.o(self.r(self.e(tokens) + self.p[: tokens.size(1)])[0])
