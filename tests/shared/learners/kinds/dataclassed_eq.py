"""A plain dataclass (with eq) that is a module."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class M(nn.Module):
    source_symbols: int
    target_symbols: int
    width: int = 16

    def __post_init__(self):
        super().__init__()
        self.s, self.t = nn.Embedding(self.source_symbols, self.width), nn.Embedding(self.target_symbols, self.width)
        self.r = nn.LSTM(2 * self.width, self.width, batch_first=True)
        self.o = nn.Linear(self.width, self.target_symbols)

    def forward(self, source, source_mask, previous):
        bag = (self.s(source) * source_mask[..., None]).sum(1, keepdim=True)
        x = torch.cat([self.t(previous), bag.expand(-1, previous.size(1), -1)], -1)
        return self.o(self.r(x)[0])
