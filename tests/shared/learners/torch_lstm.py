"""torch's own LSTM, several layers deep: what the reader ends with stands beside each symbol of the writer."""

import torch
from torch import Tensor, nn


class TorchLSTM(nn.Module):
    def __init__(
        self, source_symbols: int, target_symbols: int, hidden: int = 16, layers: int = 1, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.source, self.target = nn.Embedding(source_symbols, hidden), nn.Embedding(target_symbols, hidden)
        self.reader = nn.LSTM(hidden, hidden, layers, dropout=dropout, batch_first=True)
        self.writer = nn.LSTM(2 * hidden, hidden, layers, dropout=dropout, batch_first=True)
        self.out = nn.Linear(hidden, target_symbols)

    def forward(self, source: Tensor, source_mask: Tensor, previous: Tensor) -> Tensor:
        states, _ = self.reader(self.source(source))
        ends = (source_mask.sum(1) - 1)[:, None, None].expand(-1, 1, states.size(2))
        read = states.gather(1, ends).expand(-1, previous.size(1), -1)
        return self.out(self.writer(torch.cat([self.target(previous), read], -1))[0])
