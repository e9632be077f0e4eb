"""Learners that find every symbol equally likely, whatever they are trained on: 3 bits for each of 8 symbols."""

import torch
from torch import Tensor, nn


class Uniform(nn.Module):
    """As a language model."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.symbols = symbols
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.level.expand(*tokens.shape, self.symbols)


class UniformPair(nn.Module):
    """As an encoder-decoder."""

    def __init__(self, source_symbols: int, target_symbols: int) -> None:
        super().__init__()
        self.symbols = target_symbols
        self.level = nn.Parameter(torch.zeros(()))

    def forward(self, source: Tensor, source_mask: Tensor, previous: Tensor) -> Tensor:
        return self.level.expand(*previous.shape, self.symbols)
