"""Dropout on a weight and not on an activation (DropConnect), as language models with LSTMs have it."""

import torch
import torch.nn.functional as F
from torch import nn


class M(nn.Module):
    def __init__(self, source_symbols, target_symbols, width=16):
        super().__init__()
        self.s, self.t = nn.Embedding(source_symbols, width), nn.Embedding(target_symbols, width)
        self.w = nn.Parameter(torch.randn(48, 2 * width) / 4)
        self.o = nn.Linear(48, target_symbols)

    def forward(self, source, source_mask, previous):
        bag = (self.s(source) * source_mask[..., None]).sum(1, keepdim=True)
        x = torch.cat([self.t(previous), bag.expand(-1, previous.size(1), -1)], -1)
        return self.o((x @ F.dropout(self.w, 0.5, self.training).T).tanh())
