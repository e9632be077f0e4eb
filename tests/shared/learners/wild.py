"""A language model of which every other seed starts with a weight that is not finite."""

import torch
from torch import Tensor, nn


class Wild(nn.Module):
    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.table = nn.Embedding(symbols, symbols)
        if torch.initial_seed() % 2 == 0:
            with torch.no_grad():
                self.table.weight[2, 3] = torch.inf

    def forward(self, tokens: Tensor) -> Tensor:
        return self.table(tokens)
