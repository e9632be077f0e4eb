"""The LSTM learner, with or without attention: one layer, one direction. (fairseq/models/lstm.py)

The recurrence forces one product per step for the states, forward and backward. The gradients of its weights need none:
each is a sum of outer products over time, gathered into a single product after the last step.
"""

from __future__ import annotations

import doubt.compat  # noqa: F401  (must come before fairseq)

import torch
from fairseq.options import eval_bool
from torch import Tensor

from doubt.engines.fused.batch import PAD, Batch, Shape
from doubt.engines.fused.gradients import Gradients
from doubt.engines.fused.layers import Embedding, Linear, dropped
from doubt.engines.fused.lstm_attention import Attention
from doubt.engines.fused.lstm_cell import Cell, cell_blocks
from doubt.engines.fused.masks import Masks, Site
from doubt.engines.fused.parameters import Block, Parameters
from doubt.training import Learner


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
    return bool(eval_bool(learner.arguments["decoder_attention"]))


class Encoder:
    """Embedding, dropout, and the cell from left to right; a row's state stays as it is after its last symbol."""

    def __init__(self, weights: Parameters, gradients: Gradients, batch: Batch) -> None:
        self.embed = Embedding(weights, gradients, "encoder.embed_tokens", batch.source, PAD)
        self.cell = Cell(weights, gradients, "encoder.cell", batch.active_sources, batch.source.size(1))
        present = batch.source_mask.transpose(1, 2)[..., None]
        #: For each time, which of the computed rows still run, (models, rows, 1); None: all.
        self.running = [
            None if bool(present[:, t, :n].all()) else present[:, t, :n] for t, n in enumerate(self.cell.active)
        ]

    def forward(self, masks: Masks) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs (models, batch, time, hidden), final hidden and cell states (models, batch, hidden)."""
        cell, self.masks = self.cell, masks
        embedded = dropped(self.embed.forward(), masks.get("encoder in")).transpose(1, 2)
        models, times, rows, width = embedded.shape
        cell.inputs[..., :width] = embedded
        outputs = embedded.new_zeros(models, times, rows, cell.hidden)
        h, c = (embedded.new_zeros(models, rows, cell.hidden) for _ in range(2))
        cell.start()
        for t, n in enumerate(cell.active):
            cell.inputs[:, t, :n, width:] = h[:, :n]
            hidden, state = cell.forward(t, c[:, :n])
            running = self.running[t]
            outputs[:, t, :n] = hidden if running is None else hidden * running
            h[:, :n] = hidden if running is None else hidden.where(running, h[:, :n])
            c[:, :n] = state if running is None else state.where(running, c[:, :n])
        return dropped(outputs.transpose(1, 2), masks.get("encoder out")), h, c

    def backward(self, d_outputs: Tensor | None, d_h: Tensor, d_c: Tensor) -> None:
        """From the gradients with respect to what `forward` returned; None: nothing reads the outputs."""
        cell, width = self.cell, self.embed.weight.size(2)
        d_embedded = torch.zeros_like(cell.inputs[..., :width])
        if d_outputs is not None:
            d_outputs = dropped(d_outputs, self.masks.get("encoder out")).transpose(1, 2)
        cell.start_backward()
        for t in reversed(range(len(cell.active))):
            n, running = cell.active[t], self.running[t]
            d_hidden = d_h[:, :n] if d_outputs is None else d_h[:, :n] + d_outputs[:, t, :n]
            d_cell = d_c[:, :n]
            if running is not None:
                d_hidden, d_cell = d_hidden * running, d_cell * running
            d_inputs, d_cell = cell.backward(t, d_hidden, d_cell)
            d_embedded[:, t, :n], d_state = d_inputs[..., :width], d_inputs[..., width:]
            d_h[:, :n] = d_state if running is None else d_state.where(running, d_h[:, :n])
            d_c[:, :n] = d_cell if running is None else d_cell.where(running, d_c[:, :n])
        cell.gather()
        self.embed.backward(dropped(d_embedded.transpose(1, 2), self.masks.get("encoder in")))


class Decoder:
    """At each step the cell reads the embedded symbol and the previous step's output ("input feeding")."""

    def __init__(self, weights: Parameters, gradients: Gradients, batch: Batch, attention: bool) -> None:
        rows = batch.source.size(1)
        active = batch.active_targets or [rows]  # decoding uses one step's place over and over
        self.embed = Embedding(weights, gradients, "decoder.embed_tokens", batch.previous, PAD)
        self.cell = Cell(weights, gradients, "decoder.cell", active, rows)
        self.attention: Attention | None = None
        if attention:
            self.attention = Attention(weights, gradients, "decoder.attention", active, batch.source_mask)
        self.fc_out = Linear(weights, gradients, "decoder.fc_out")

    def start(self, source: Tensor, h: Tensor, c: Tensor) -> None:
        """Before the first step of a pass, with what the encoder returned."""
        self.cell.start()
        if self.attention is not None:
            self.attention.start(source)
        self.feed, self.h, self.c = torch.zeros_like(h), h, c

    def step(self, t: int, mask: Tensor | None) -> None:
        """One step; reads the embedded symbol from `cell.inputs` and leaves its output in `feed`."""
        cell = self.cell
        n, h, width = cell.active[t], cell.hidden, self.embed.weight.size(2)
        cell.inputs[:, t, :n, width : width + h] = self.feed[:, :n]
        cell.inputs[:, t, :n, width + h :] = self.h[:, :n]
        hidden, self.c[:, :n] = cell.forward(t, self.c[:, :n])
        self.h[:, :n] = hidden
        out = hidden if self.attention is None else self.attention.forward(t, hidden)
        self.feed[:, :n] = dropped(out, mask)

    def forward(self, source: Tensor, h: Tensor, c: Tensor, masks: Masks) -> Tensor:
        """Logits (models, batch, time, symbols)."""
        self.masks = masks
        embedded = dropped(self.embed.forward(), masks.get("decoder in")).transpose(1, 2)
        self.cell.inputs[..., : embedded.size(3)] = embedded
        self.start(source, h, c)
        features = source.new_zeros(*embedded.shape[:3], self.cell.hidden)
        mask = masks.get("decoder out")
        for t, n in enumerate(self.cell.active):
            self.step(t, None if mask is None else mask[:, :n, t])
            features[:, t, :n] = self.feed[:, :n]
        logits = self.fc_out.forward(features.flatten(1, 2))
        return logits.view(*features.shape[:3], -1).transpose(1, 2)

    def backward(self, d_logits: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        """Gradients with respect to the encoder's outputs (None: not read) and final states."""
        cell, width, h = self.cell, self.embed.weight.size(2), self.cell.hidden
        d_features = self.fc_out.backward(d_logits.transpose(1, 2).flatten(1, 2)).unflatten(1, cell.inputs.shape[1:3])
        mask = self.masks.get("decoder out")
        d_embedded = torch.zeros_like(cell.inputs[..., :width])
        d_feed, d_h, d_c = (torch.zeros_like(self.h) for _ in range(3))
        cell.start_backward()
        for t in reversed(range(len(cell.active))):
            n = cell.active[t]
            d_hidden = dropped(d_features[:, t, :n] + d_feed[:, :n], None if mask is None else mask[:, :n, t])
            if self.attention is not None:
                d_hidden = self.attention.backward(t, d_hidden)
            d_inputs, d_c[:, :n] = cell.backward(t, d_hidden + d_h[:, :n], d_c[:, :n])
            d_embedded[:, t, :n], d_feed[:, :n], d_h[:, :n] = d_inputs.split((width, h, h), -1)
        cell.gather()
        self.embed.backward(dropped(d_embedded.transpose(1, 2), self.masks.get("decoder in")))
        return (None if self.attention is None else self.attention.gather()), d_h, d_c

    def decode(self, ids: Tensor) -> Tensor:
        """Logits of the next symbols, (models, batch, symbols), after the symbols `ids`, (models, batch)."""
        self.cell.inputs[:, 0, :, : self.embed.weight.size(2)] = self.embed.look_up(ids)
        self.step(0, None)
        return self.fc_out.forward(self.feed)
