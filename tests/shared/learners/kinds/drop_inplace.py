"""Dropout in place, whose result is not taken."""

import torch
from torch import nn


class M(nn.Module):
    def __init__(self, source_symbols, target_symbols, width=16, p=0.5):
        super().__init__()
        self.s, self.t = nn.Embedding(source_symbols, width), nn.Embedding(target_symbols, width)
        self.r = nn.LSTM(2 * width, width, batch_first=True)
        self.d, self.o = nn.Dropout(p, inplace=True), nn.Linear(width, target_symbols)

    def forward(self, source, source_mask, previous):
        bag = (self.s(source) * source_mask[..., None]).sum(1, keepdim=True)
        x = torch.cat([self.t(previous), bag.expand(-1, previous.size(1), -1)], -1)
        h = self.r(x)[0].clone()
        self.d(h)
        return self.o(h)
