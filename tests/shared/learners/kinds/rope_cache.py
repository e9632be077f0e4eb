"""A table that grows when a longer sequence comes, kept as a buffer."""

import torch
from torch import nn


class M(nn.Module):
    def __init__(self, source_symbols, target_symbols, width=16):
        super().__init__()
        self.s, self.t = nn.Embedding(source_symbols, width), nn.Embedding(target_symbols, width)
        self.r = nn.LSTM(2 * width, width, batch_first=True)
        self.o = nn.Linear(width, target_symbols)
        self.register_buffer("places", self.table(4, width), persistent=False)

    @staticmethod
    def table(n, width):
        return torch.sin(torch.arange(n)[:, None] * torch.arange(1, width + 1) / 7.0)

    def forward(self, source, source_mask, previous):
        bag = (self.s(source) * source_mask[..., None]).sum(1, keepdim=True)
        x = torch.cat([self.t(previous), bag.expand(-1, previous.size(1), -1)], -1)
        if previous.size(1) > self.places.size(0):
            self.places = self.table(2 * previous.size(1), self.places.size(1)).to(x.device)
        return self.o(self.r(x)[0] + self.places[: x.size(1)])
