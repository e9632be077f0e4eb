"""The LSTM learner, with or without attention: one layer, one direction. (fairseq/models/lstm.py)

The recurrence forces one product per step for the states, forward and backward. The gradients of its weights need none:
each is a sum of outer products over time, gathered into a single product after the last step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from indoubt.data.literals import value_of
from indoubt.data.vocabulary import PAD
from indoubt.engines.fused.batches import Batch, Shape
from indoubt.engines.fused.dropout import Masks, Site
from indoubt.engines.fused.layers import Embedding, Linear, dropped
from indoubt.engines.fused.lstm_attention import Attention
from indoubt.engines.fused.lstm_cell import LSTMCell, cell_blocks, rows_at
from indoubt.engines.fused.parameters import Block, Gradients, Parameters
from indoubt.learner import Learner


class LSTM:
    """Many LSTM encoder-decoders on one batch."""

    def __init__(self, learner: Learner, weights: Parameters, gradients: Gradients, batch: Batch) -> None:
        self.encoder = Encoder(weights, gradients, batch)
        self.decoder = Decoder(weights, gradients, batch, has_attention(learner))

    @staticmethod
    def blocks(learner: Learner) -> list[Block]:
        """The weights, from fairseq's."""
        names = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight"]
        names += ["decoder.fc_out.weight", "decoder.fc_out.bias"]
        blocks = [Block(name, (name,)) for name in names]
        blocks += cell_blocks("encoder.cell", "encoder.lstm", "_l0")
        blocks += cell_blocks("decoder.cell", "decoder.layers.0")
        if has_attention(learner):
            projections = [f"decoder.attention.{which}_proj" for which in ("input", "output")]
            blocks += [Block(name, (f"{name}.weight",)) for name in projections]
        return blocks

    @staticmethod
    def sites(learner: Learner, shape: Shape) -> list[Site]:
        """Where dropout acts."""
        a = learner.arguments
        sites = [
            Site("encoder in", shape.source, a["encoder_embed_dim"], a["encoder_dropout_in"]),
            Site("decoder in", shape.target, a["decoder_embed_dim"], a["decoder_dropout_in"]),
            Site("decoder out", shape.target, a["decoder_hidden_size"], a["decoder_dropout_out"]),
        ]
        if has_attention(learner):  # nothing else reads the encoder's outputs
            sites.append(Site("encoder out", shape.source, a["encoder_hidden_size"], a["encoder_dropout_out"]))
        return sites

    def forward(self, masks: Masks) -> Tensor:
        """Logits of each target symbol: (models, batch, time, symbols)."""
        return self.decoder.forward(*self.encoder.forward(masks), masks)

    def backward(self, d_logits: Tensor) -> None:
        """Gradients of all weights, from that with respect to the logits."""
        self.encoder.backward(*self.decoder.backward(d_logits))

    def start_decoding(self, longest: int) -> None:
        """Encode the sources."""
        self.decoder.start(*self.encoder.forward({}))

    def decode(self, ids: Tensor, t: int) -> Tensor:
        """Logits of the next symbols, (models, batch, symbols), after the t-th ones, `ids` (models, batch)."""
        return self.decoder.decode(ids)


def has_attention(learner: Learner) -> bool:
    """Whether the decoder attends to the source."""
    attention = learner.arguments["decoder_attention"]
    return isinstance(attention, str) and bool(value_of(attention))


class Encoder:
    """Embedding, dropout, and the cell from left to right; a row's state stays as it is after its last symbol."""

    def __init__(self, weights: Parameters, gradients: Gradients, batch: Batch) -> None:
        self.embed = Embedding(weights, gradients, "encoder.embed_tokens", batch.source, PAD)
        weight, rows = weights.values["encoder.cell.weight"], batch.source.size(1)
        active = rows_at(batch.active_sources, rows, weight)
        present = batch.source_mask.transpose(1, 2)[..., None]
        running = [None if bool(present[:, t, :n].all()) else present[:, t, :n] for t, n in enumerate(active)]
        self.cell = LSTMCell(weights, gradients, "encoder.cell", active, rows, running)
        self.steps = self.cell.all_steps() if self.cell.native else None
        self.width = self.embed.weight.size(2)
        #: Where rows end: the place of their last state in time, and which rows they are.
        ends = [*active[1:], 0]
        self.last = [(t + 1, slice(end, n)) for t, (n, end) in enumerate(zip(active, ends, strict=True)) if end < n]

    def forward(self, masks: Masks) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs (models, batch, time, hidden), final hidden and cell states (models, batch, hidden)."""
        cell, self.masks = self.cell, masks
        embedded = dropped(self.embed.forward(), masks.get("encoder in"))
        cell.inputs[:, :-1, :, : self.width] = embedded.transpose(1, 2)
        cell.start()
        if self.steps is not None:
            self.steps.forward()
        else:
            for t in range(len(cell.active)):
                cell.forward(t)
        states = cell.inputs[..., self.width :]
        outputs = dropped(states[:, 1:].transpose(1, 2), masks.get("encoder out"))
        return outputs, self._final(states), self._final(cell.cells)

    def _final(self, states: Tensor) -> Tensor:
        """Each row's last state, (models, batch, hidden), among those of all times."""
        return torch.cat([states[:, t, rows] for t, rows in reversed(self.last)], 1)

    def backward(self, d_outputs: Tensor | None, d_h: Tensor, d_c: Tensor) -> None:
        """From the gradients with respect to what `forward` returned; None: nothing reads the outputs."""
        cell = self.cell
        cell.d_hidden.copy_(d_h)
        cell.d_cell.copy_(d_c)
        if d_outputs is not None:
            d_outputs = dropped(d_outputs, self.masks.get("encoder out")).transpose(1, 2)
        if self.steps is not None:
            self.steps.backward() if d_outputs is None else self.steps.backward_from(d_outputs)
        else:
            cell.start_backward()
            for t, n in reversed(list(enumerate(cell.active))):
                if d_outputs is not None:
                    cell.d_hidden[:, :n] += d_outputs[:, t, :n]
                cell.backward(t)
        cell.gather()
        d_embedded = cell.d_inputs[..., : self.width].transpose(1, 2)
        self.embed.backward(dropped(d_embedded, self.masks.get("encoder in")))


class Decoder:
    """At each step the cell reads the embedded symbol and the previous step's output ("input feeding")."""

    def __init__(self, weights: Parameters, gradients: Gradients, batch: Batch, attention: bool) -> None:
        rows = batch.source.size(1)
        # decoding uses one step's place over and over
        active = rows_at(batch.active_targets, rows, weights.values["decoder.cell.weight"]) or [rows]
        self.embed = Embedding(weights, gradients, "decoder.embed_tokens", batch.previous, PAD)
        self.cell = LSTMCell(weights, gradients, "decoder.cell", active, rows)
        self.attention: Attention | None = None
        if attention:
            self.attention = Attention(weights, gradients, "decoder.attention", active, batch.source_mask)
        #: Whether all steps can be taken in one call.
        self.at_once = self.cell.native and self.attention is None
        self.fc_out = Linear(weights, gradients, "decoder.fc_out")
        self.width, hidden = self.embed.weight.size(2), self.cell.hidden
        fed = slice(self.width, self.width + hidden)
        #: What each step feeds to the next, (models, time, batch, hidden), and its gradient for all but the last.
        self.feed, self.d_feed = self.cell.inputs[:, 1:, :, fed], self.cell.d_inputs[:, 1:, :, fed]
        self.feeds = [self.feed[:, t, :n] for t, n in enumerate(active)]

    def start(self, source: Tensor, h: Tensor, c: Tensor) -> None:
        """Before the first step of a pass, with what the encoder returned."""
        first = self.cell.inputs[:, 0]
        first[..., self.width : -self.cell.hidden] = 0
        first[..., -self.cell.hidden :] = h
        self.cell.cells[:, 0] = c
        self.cell.start()
        if self.attention is not None:
            self.attention.start(source)

    def step(self, t: int, mask: Tensor | None) -> None:
        """One step; reads the embedded symbol from `cell.inputs` and leaves its output in `feeds[t]`."""
        hidden = self.cell.forward(t)
        out = hidden if self.attention is None else self.attention.forward(t, hidden)
        if mask is None:
            self.feeds[t].copy_(out)
        else:
            torch.mul(out, mask, out=self.feeds[t])

    def forward(self, source: Tensor, h: Tensor, c: Tensor, masks: Masks) -> Tensor:
        """Logits (models, batch, time, symbols)."""
        self.masks = masks
        embedded = dropped(self.embed.forward(), masks.get("decoder in"))
        self.cell.inputs[:, :-1, :, : self.width] = embedded.transpose(1, 2)
        self.start(source, h, c)
        mask = masks.get("decoder out")
        if self.at_once:
            self.steps = self.cell.all_steps(self.width, mask)
            self.steps.forward()
        else:
            for t, by_step in enumerate(self._by_step(mask)):
                self.step(t, by_step)
        logits = self.fc_out.forward(self.feed.flatten(1, 2))
        return logits.view(*self.feed.shape[:3], -1).transpose(1, 2)

    def _by_step(self, mask: Tensor | None) -> list[Tensor | None]:
        """The part of a mask (models, batch, time, hidden) that belongs to each step, (models, rows, hidden)."""
        if mask is None:
            return [None] * len(self.cell.active)
        return [each[:, :n] for each, n in zip(mask.unbind(2), self.cell.active, strict=True)]

    def backward(self, d_logits: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """Gradients with respect to the encoder's outputs (None: not read) and final states."""
        cell, mask = self.cell, self.masks.get("decoder out")
        d_features = self.fc_out.backward(d_logits.transpose(1, 2).flatten(1, 2)).view(self.feed.shape)
        if mask is not None:
            d_features *= mask.transpose(1, 2)
        cell.d_hidden.zero_()
        cell.d_cell.zero_()
        if self.at_once:
            self.steps.backward_from(d_features)
        else:
            self._backward_by_steps(d_features, mask)
        cell.gather()
        d_embedded = cell.d_inputs[..., : self.width].transpose(1, 2)
        self.embed.backward(dropped(d_embedded, self.masks.get("decoder in")))
        return (None if self.attention is None else self.attention.gather()), cell.d_hidden, cell.d_cell

    def _backward_by_steps(self, d_features: Tensor, mask: Tensor | None) -> None:
        """Backward through time, from the gradient of what is read of each step, (models, time, batch, hidden)."""
        cell, masks = self.cell, self._by_step(mask)
        d_outs = [d_features[:, t, :n] for t, n in enumerate(cell.active)]
        cell.start_backward()
        for t, n in reversed(list(enumerate(cell.active))):
            d_out, by_step, d_hidden = d_outs[t], masks[t], cell.d_hidden[:, :n]
            if t + 1 < len(cell.active):
                d_feed = self.d_feed[:, t, :n]
                d_out = d_out + d_feed if by_step is None else torch.addcmul(d_out, d_feed, by_step)
            for part in (d_out,) if self.attention is None else self.attention.backward(t, d_out):
                d_hidden += part
            cell.backward(t)

    def decode(self, ids: Tensor) -> Tensor:
        """Logits of the next symbols, (models, batch, symbols), after the symbols `ids`, (models, batch)."""
        inputs, cells = self.cell.inputs, self.cell.cells
        inputs[:, 0, :, : self.width] = self.embed.look_up(ids)
        self.step(0, None)
        inputs[:, 0, :, self.width :] = inputs[:, 1, :, self.width :]
        cells[:, 0] = cells[:, 1]
        return self.fc_out.forward(self.feeds[0])
