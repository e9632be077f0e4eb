"""Two layers that take turns from update to update, so that each has a gradient in every other one only."""

import torch
from torch import nn


class M(nn.Module):
    def __init__(self, source_symbols, target_symbols, width=16):
        super().__init__()
        self.s, self.t = nn.Embedding(source_symbols, width), nn.Embedding(target_symbols, width)
        self.one, self.other = nn.Linear(2 * width, width), nn.Linear(2 * width, width)
        self.o = nn.Linear(width, target_symbols)
        self.steps = 0

    def forward(self, source, source_mask, previous):
        if self.training:
            self.steps += 1
        bag = (self.s(source) * source_mask[..., None]).sum(1, keepdim=True)
        x = torch.cat([self.t(previous), bag.expand(-1, previous.size(1), -1)], -1)
        return self.o((self.one if self.steps % 2 else self.other)(x).tanh())
