"""Hooks of a module, a weight and what autograd has accumulated: each halves a gradient."""

import torch
from torch import nn


def halved(weight):
    weight.grad *= 0.5


class M(nn.Module):
    def __init__(self, source_symbols, target_symbols, width=16):
        super().__init__()
        self.s, self.t = nn.Embedding(source_symbols, width), nn.Embedding(target_symbols, width)
        self.f, self.o = nn.Linear(2 * width, width), nn.Linear(width, target_symbols)
        self.f.register_full_backward_hook(lambda module, of_input, of_output: tuple(each * 0.5 for each in of_input))
        self.f.weight.register_hook(lambda gradient: gradient * 0.5)
        self.o.weight.register_post_accumulate_grad_hook(halved)

    def forward(self, source, source_mask, previous):
        bag = (self.s(source) * source_mask[..., None]).sum(1, keepdim=True)
        x = torch.cat([self.t(previous), bag.expand(-1, previous.size(1), -1)], -1)
        return self.o(self.f(x).tanh())
