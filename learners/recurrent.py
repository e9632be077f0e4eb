"""Recurrent encoder and decoder. With `cell: lstm` it is fairseq's `lstm` of the paper, weight for weight."""

import torch
from torch import Tensor, nn

#: Gates of each cell, whose weights lie one above the other.
GATES = {"gru": 3, "rnn": 1, "lstm": 4}


class Cell(nn.Module):
    """torch's GRUCell, RNNCell (tanh) or LSTMCell, cut in two: the input's part needs no state, so comes first."""

    def __init__(self, cell: str, inputs: int, hidden: int) -> None:
        super().__init__()
        self.cell = cell
        self.of_input = nn.Linear(inputs, GATES[cell] * hidden)
        self.of_state = nn.Linear(hidden, GATES[cell] * hidden)

    def forward(self, given: Tensor, state: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """The next state and, of an LSTM, cell memory; `given` is `of_input` of this time's input."""
        own = self.of_state(state)
        if self.cell == "rnn":
            return (given + own).tanh(), memory
        if self.cell == "gru":
            reset, keep, new = given.chunk(3, -1)
            own_reset, own_keep, own_new = own.chunk(3, -1)
            keep = (keep + own_keep).sigmoid()
            new = (new + (reset + own_reset).sigmoid() * own_new).tanh()
            return (1 - keep) * new + keep * state, memory
        write, keep, new, show = (given + own).chunk(4, -1)
        memory = keep.sigmoid() * memory + write.sigmoid() * new.tanh()
        return show.sigmoid() * memory.tanh(), memory


class Recurrent(nn.Module):
    """One layer on either side; the decoder starts from the encoder's last state and is fed its own last output.

    cell: `gru`, `rnn` or `lstm`. attention: whether each output also looks at all of the encoder's states (Luong et al.
    2015), as fairseq's lstm does.
    """

    def __init__(
        self,
        source_symbols: int,
        target_symbols: int,
        cell: str = "gru",
        embedding: int = 16,
        hidden: int = 512,
        attention: bool = False,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        if cell not in GATES:
            raise ValueError(f"cell {cell!r} is none of {', '.join(GATES)}")
        self.hidden, self.attention = hidden, attention
        self.source, self.target = nn.Embedding(source_symbols, embedding), nn.Embedding(target_symbols, embedding)
        self.encoder, self.decoder = Cell(cell, embedding, hidden), Cell(cell, embedding + hidden, hidden)
        if attention:
            self.query = nn.Linear(hidden, hidden, bias=False)
            self.mix = nn.Linear(2 * hidden, hidden, bias=False)
        self.out = nn.Linear(hidden, target_symbols)
        self.source_dropout, self.target_dropout = nn.Dropout(dropout), nn.Dropout(dropout)
        self.state_dropout, self.step_dropout = nn.Dropout(dropout), nn.Dropout(dropout)
        for weight in self.parameters():
            nn.init.uniform_(weight, -0.1, 0.1)
        with torch.no_grad():
            self.source.weight[1], self.target.weight[1] = 0, 0  # padding

    def forward(self, source: Tensor, source_mask: Tensor, previous: Tensor) -> Tensor:
        given = self.encoder.of_input(self.source_dropout(self.source(source)))
        state = memory = given.new_zeros(source.size(0), self.hidden)
        states = []
        for time in range(source.size(1)):
            new_state, new_memory = self.encoder(given[:, time], state, memory)
            here = source_mask[:, time, None]
            state, memory = torch.where(here, new_state, state), torch.where(here, new_memory, memory)
            states.append(state)
        encoded = self.state_dropout(torch.stack(states, 1))
        embedded = self.target_dropout(self.target(previous))
        fed, outputs = torch.zeros_like(state), []
        for time in range(previous.size(1)):
            given = self.decoder.of_input(torch.cat([embedded[:, time], fed], -1))
            state, memory = self.decoder(given, state, memory)
            fed = self.step_dropout(self._attend(state, encoded, source_mask) if self.attention else state)
            outputs.append(fed)
        return self.out(torch.stack(outputs, 1))

    def _attend(self, state: Tensor, encoded: Tensor, source_mask: Tensor) -> Tensor:
        """State (batch, hidden) and what it finds in `encoded` (batch, source time, hidden), mixed."""
        scores = (encoded * self.query(state)[:, None]).sum(-1).masked_fill(~source_mask, -torch.inf)
        found = (scores.softmax(-1)[..., None] * encoded).sum(1)
        return self.mix(torch.cat([found, state], -1)).tanh()
