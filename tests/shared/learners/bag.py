"""An encoder-decoder to be read in a minute: what was read, averaged, and what was said decide what follows."""

import torch
from torch import Tensor, nn


class Bag(nn.Module):
    def __init__(self, source_symbols: int, target_symbols: int, width: int = 16, dropout: float = 0.1) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(source_symbols, width), nn.Embedding(target_symbols, width)
        self.drop, self.out = nn.Dropout(dropout), nn.Linear(2 * width, target_symbols)

    def forward(self, source: Tensor, source_mask: Tensor, previous: Tensor) -> Tensor:
        read = (self.source(source) * source_mask[..., None]).sum(1) / source_mask.sum(1, keepdim=True)
        said = self.target(previous).cumsum(1)
        return self.out(self.drop(torch.cat([said, read[:, None].expand_as(said)], -1)))
