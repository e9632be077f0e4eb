"""An encoder-decoder that adds noise of its own while it is trained."""

import torch
from torch import Tensor, nn


class Noisy(nn.Module):
    def __init__(self, source_symbols: int, target_symbols: int, width: int = 16, noise: float = 0.1) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(source_symbols, width), nn.Embedding(target_symbols, width)
        self.out, self.noise = nn.Linear(width, target_symbols), noise

    def forward(self, source: Tensor, source_mask: Tensor, previous: Tensor) -> Tensor:
        read = (self.source(source) * source_mask[..., None]).sum(1, keepdim=True)
        x = self.target(previous) + read
        if self.training:
            x = x + self.noise * torch.randn_like(x)
        return self.out(x)
