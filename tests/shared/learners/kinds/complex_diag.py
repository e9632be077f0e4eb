"""A diagonal linear recurrence whose read-out is a complex number for each channel, as LRU and S4D have it."""

import torch
from torch import nn


class M(nn.Module):
    def __init__(self, symbols, width=16):
        super().__init__()
        self.e = nn.Embedding(symbols, width)
        self.c = nn.Parameter(torch.randn(width, dtype=torch.complex64))
        self.rate, self.angle = nn.Parameter(torch.rand(width)), nn.Parameter(3.14 * torch.rand(width))
        self.o = nn.Linear(width, symbols)

    def forward(self, tokens):
        x = self.e(tokens)
        step = torch.exp(torch.complex(-self.rate.exp(), self.angle))
        state, states = torch.zeros_like(x[:, 0]), []
        for t in range(x.size(1)):
            state = step * state + x[:, t]
            states.append(state)
        return self.o((torch.stack(states, 1) * self.c).real)
