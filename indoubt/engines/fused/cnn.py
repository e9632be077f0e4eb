"""The convolutional learner: one gated convolution on each side, and attention. (fairseq/models/fconv.py)"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from indoubt.data.literals import convolutions_of
from indoubt.data.vocabulary import PAD
from indoubt.engines.fused.batches import Batch, Packing, Shape, packed
from indoubt.engines.fused.dropout import Masks, Site
from indoubt.engines.fused.layers import Embedding, GatedConvolution, NormedLinear, dropped
from indoubt.engines.fused.parameters import Block, Gradients, Parameters
from indoubt.learner import Learner

#: Every sum of two things is scaled by this, to keep its variance.
HALF = math.sqrt(0.5)


class CNN:
    """Many convolutional encoder-decoders on one batch."""

    def __init__(self, learner: Learner, weights: Parameters, gradients: Gradients, batch: Batch) -> None:
        self.encoder = Encoder(weights, gradients, batch, width_of(learner, "encoder"))
        self.decoder = Decoder(weights, gradients, batch, width_of(learner, "decoder"))

    @staticmethod
    def blocks(learner: Learner) -> list[Block]:
        """The weights, from fairseq's."""
        normed = [f"{side}.{name}" for side in ("encoder", "decoder") for name in ("fc1", "convolutions.0", "fc2")]
        normed += ["decoder.fc3", "decoder.attention.0.in_projection", "decoder.attention.0.out_projection"]
        names = [f"{name}.{part}" for name in normed for part in ("weight_v", "weight_g", "bias")]
        names += [f"{side}.embed_{what}.weight" for side in ("encoder", "decoder") for what in ("tokens", "positions")]
        return [Block(name, (name,)) for name in names]

    @staticmethod
    def sites(learner: Learner, shape: Shape) -> list[Site]:
        """Where dropout acts."""
        a = learner.arguments
        sites = []
        for side, time in (("encoder", shape.source), ("decoder", shape.target)):
            channels = specification(learner, side)[0]
            sites.append(Site(f"{side} in", time, a[f"{side}_embed_dim"], a["dropout"]))
            sites.append(Site(f"{side} convolution", time, channels, a["dropout"]))
        return [*sites, Site("decoder out", shape.target, a["decoder_out_embed_dim"], a["dropout"])]

    def forward(self, masks: Masks) -> Tensor:
        """Logits of each target symbol: (models, batch, time, symbols)."""
        return self.decoder.forward(*self.encoder.forward(masks), masks)

    def backward(self, d_logits: Tensor) -> None:
        """Gradients of all weights, from that with respect to the logits."""
        self.encoder.backward(*self.decoder.backward(d_logits))

    def start_decoding(self, longest: int) -> None:
        """Encode the sources."""
        self.decoder.start_decoding(*self.encoder.forward({}))

    def decode(self, ids: Tensor, t: int) -> Tensor:
        """Logits of the next symbols, (models, batch, symbols), after the t-th ones, `ids` (models, batch)."""
        return self.decoder.decode(ids, t)


def specification(learner: Learner, side: str) -> tuple[int, int]:
    """Channels and width of the one convolution of `side`, `encoder` or `decoder`.

    Raises:
        ValueError: it has more than one layer, or a residual connection of its own, or cannot be read.
    """
    layers = convolutions_of(learner.arguments[f"{side}_layers"])
    if len(layers) != 1 or len(layers[0]) != 2:
        raise ValueError(f"{side}_layers {learner.arguments[f'{side}_layers']!r}")
    channels, width = layers[0]
    return channels, width


def width_of(learner: Learner, side: str) -> int:
    """Width of the convolution of `side`."""
    return specification(learner, side)[1]


class Positions:
    """Learned embeddings of symbols and of their positions, added. (fairseq/modules/learned_positional_embedding.py)"""

    def __init__(self, weights: Parameters, gradients: Gradients, side: str, ids: Tensor) -> None:
        time = ids.size(2)
        positions = torch.arange(PAD + 1, PAD + 1 + time, device=ids.device).where(ids != PAD, PAD)
        name, used = f"{side}.embed_positions", PAD + 1 + time
        self.tokens = Embedding(weights, gradients, f"{side}.embed_tokens", ids, PAD)
        self.positions = Embedding(weights, gradients, name, positions, PAD, used=used)

    def forward(self) -> Tensor:
        """(models, batch, time, features)."""
        return self.tokens.forward() + self.positions.forward()

    def backward(self, dy: Tensor) -> None:
        """From the gradient with respect to `forward`'s result."""
        self.tokens.backward(dy)
        self.positions.backward(dy)

    def look_up(self, ids: Tensor, t: int) -> Tensor:
        """The symbols `ids` (models, batch), all at time t: (models, batch, features)."""
        return self.tokens.look_up(ids) + self.positions.look_up(torch.full_like(ids, PAD + 1 + t))


class Encoder:
    """Returns its output `x`, which attention compares with, and `x` with the embedded symbols, which it fetches."""

    def __init__(self, weights: Parameters, gradients: Gradients, batch: Batch, width: int) -> None:
        self.embed = Positions(weights, gradients, "encoder", batch.source)
        self.fc1 = NormedLinear(weights, gradients, "encoder.fc1")
        self.convolution = GatedConvolution(weights, gradients, "encoder.convolutions.0", width // 2, width // 2)
        self.fc2 = NormedLinear(weights, gradients, "encoder.fc2")
        self.rows = self.convolution.packing_of(batch.source_mask)

    def forward(self, masks: Masks) -> tuple[Tensor, Tensor]:
        """Both (models, batch, time, features)."""
        rows, self.mask = self.rows, packed(masks.get("encoder convolution"), self.rows)
        self.mask_in = masks.get("encoder in")
        embedded = dropped(self.embed.forward(), self.mask_in)
        wide = self.fc1.forward(rows.pack(embedded))
        out = self.convolution.forward(dropped(rows.only_present(wide), self.mask), rows)
        x = rows.unpack(rows.only_present(self.fc2.forward((out + wide) * HALF)))
        return x, (x + embedded) * HALF

    def backward(self, d_x: Tensor, d_fetched: Tensor) -> None:
        """From the gradients with respect to what `forward` returned; fairseq halves that of `x`."""
        rows = self.rows
        d_x = rows.only_present(rows.pack((d_x + d_fetched * HALF) * 0.5))
        d_sum = self.fc2.backward(d_x) * HALF
        d_in = rows.only_present(dropped(self.convolution.backward(d_sum), self.mask))
        d_embedded = rows.unpack(self.fc1.backward(d_in + d_sum))
        self.embed.backward(dropped(d_embedded + d_fetched * HALF, self.mask_in))


class Attention:
    """`p = softmax((W_in x + embedded) x_source);  y = W_out (p fetched) sqrt(source length) + x`."""

    def __init__(self, weights: Parameters, gradients: Gradients, name: str, batch: Batch) -> None:
        self.w_in = NormedLinear(weights, gradients, f"{name}.in_projection")
        self.w_out = NormedLinear(weights, gradients, f"{name}.out_projection")
        self.padding = (~batch.source_mask)[:, :, None] if not bool(batch.source_mask.all()) else None
        self.root = batch.source_lengths.to(self.w_in.g.dtype).sqrt()[..., None, None]

    def forward(self, x: Tensor, rows: Packing, embedded: Tensor, source: Tensor, fetched: Tensor) -> Tensor:
        """(models, rows, channels), with the embedded targets and what the encoder returned, padded -> as `x`."""
        self.rows, self.source, self.fetched = rows, source, fetched
        self.query = (rows.unpack(self.w_in.forward(x)) + embedded) * HALF
        scores = torch.matmul(self.query, source.mT)
        if self.padding is not None:
            scores = scores.masked_fill(self.padding, -torch.inf)
        self.attended = torch.softmax(scores, -1)
        context = torch.matmul(self.attended, fetched) * self.root
        return (self.w_out.forward(rows.pack(context)) + x) * HALF

    def backward(self, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gradients with respect to x, to the embedded targets and to what the encoder returned."""
        dy = dy * HALF
        d_context = self.rows.unpack(self.w_out.backward(dy)) * self.root
        d_attended = torch.matmul(d_context, self.fetched.mT)
        d_fetched = torch.matmul(self.attended.mT, d_context)
        d_scores = self.attended * (d_attended - (self.attended * d_attended).sum(-1, keepdim=True))
        d_query = torch.matmul(d_scores, self.source) * HALF
        d_source = torch.matmul(d_scores.mT, self.query)
        d_x = self.w_in.backward(self.rows.pack(d_query)) + dy
        return d_x, d_query, d_source, d_fetched


class Decoder:
    """The convolution sees the last symbols only, none to come."""

    def __init__(self, weights: Parameters, gradients: Gradients, batch: Batch, width: int) -> None:
        self.embed = Positions(weights, gradients, "decoder", batch.previous)
        self.fc1 = NormedLinear(weights, gradients, "decoder.fc1")
        self.convolution = GatedConvolution(weights, gradients, "decoder.convolutions.0", width - 1, 0)
        self.attention = Attention(weights, gradients, "decoder.attention.0", batch)
        self.fc2 = NormedLinear(weights, gradients, "decoder.fc2")
        self.fc3 = NormedLinear(weights, gradients, "decoder.fc3")
        self.rows = self.convolution.packing_of(batch.target_mask)

    def forward(self, source: Tensor, fetched: Tensor, masks: Masks) -> Tensor:
        """Logits (models, batch, time, symbols)."""
        rows, self.mask_in = self.rows, masks.get("decoder in")
        self.mask, self.mask_out = (packed(masks.get(f"decoder {site}"), rows) for site in ("convolution", "out"))
        embedded = dropped(self.embed.forward(), self.mask_in)
        wide = self.fc1.forward(rows.pack(embedded))
        out = self.convolution.forward(dropped(wide, self.mask), rows)
        out = (self.attention.forward(out, rows, embedded, source, fetched) + wide) * HALF
        return rows.unpack(self.fc3.forward(dropped(self.fc2.forward(out), self.mask_out)))

    def backward(self, d_logits: Tensor) -> tuple[Tensor, Tensor]:
        """Gradients with respect to what the encoder returned."""
        rows = self.rows
        d_features = dropped(self.fc3.backward(rows.pack(d_logits)), self.mask_out)
        d_out = self.fc2.backward(d_features) * HALF
        d_attended, d_embedded, d_source, d_fetched = self.attention.backward(d_out)
        d_wide = dropped(self.convolution.backward(d_attended), self.mask) + d_out
        d_embedded = d_embedded + rows.unpack(self.fc1.backward(d_wide))
        self.embed.backward(dropped(d_embedded, self.mask_in))
        return d_source, d_fetched

    def start_decoding(self, source: Tensor, fetched: Tensor) -> None:
        """Before the first symbol: nothing but zeros in the convolution's window."""
        self.source, self.fetched = source, fetched
        models, rows = source.shape[:2]
        self.window = source.new_zeros(models, rows, self.convolution.width, self.fc1.g.size(1))
        self.one_each = self.convolution.packing_of(torch.ones(models, rows, 1, device=source.device))

    def decode(self, ids: Tensor, t: int) -> Tensor:
        """Logits of the next symbols, (models, batch, symbols), after the t-th ones, `ids` (models, batch)."""
        embedded = self.embed.look_up(ids, t)
        wide = self.fc1.forward(embedded)
        self.window = torch.cat((self.window[:, :, 1:], wide[:, :, None]), 2)
        out = self.convolution.step(self.window)
        out = self.attention.forward(out, self.one_each, embedded[:, :, None], self.source, self.fetched)
        return self.fc3.forward(self.fc2.forward((out + wide) * HALF))
