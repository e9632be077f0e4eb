"""The Transformer learner, post-norm, with cross-attention or with attention joint over source and target.

(fairseq/models/transformer.py, modules/transformer_layer.py)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from indoubt.data.vocabulary import PAD
from indoubt.engines.fused.batches import Batch, Shape
from indoubt.engines.fused.dropout import Masks, Site
from indoubt.engines.fused.layers import Embedding, dropped
from indoubt.engines.fused.parameters import Block, Gradients, Parameters
from indoubt.engines.fused.transformer_layers import Attend, FeedForward, feed_forward_blocks, multihead_blocks
from indoubt.learner import Learner


class Transformer:
    """Many Transformers on one batch."""

    def __init__(self, learner: Learner, weights: Parameters, gradients: Gradients, batch: Batch) -> None:
        self.encoder = Encoder(learner, weights, gradients, batch)
        self.decoder = Decoder(learner, weights, gradients, batch)

    @staticmethod
    def blocks(learner: Learner) -> list[Block]:
        """The weights, from fairseq's."""
        names = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.embed_out"]
        blocks = []
        for side, attentions in (("encoder", ["self_attn"]), ("decoder", ["self_attn", "encoder_attn"])):
            for layer in range(learner.arguments[f"{side}_layers"]):
                name = f"{side}.layers.{layer}"
                blocks += [block for each in attentions for block in multihead_blocks(f"{name}.{each}")]
                norms = [*(f"{each}_layer_norm" for each in attentions), "final_layer_norm"]
                names += [f"{name}.{norm}.{kind}" for norm in norms for kind in ("weight", "bias")]
                blocks += feed_forward_blocks(name)
        return [*blocks, *(Block(name, (name,)) for name in names)]

    @staticmethod
    def sites(learner: Learner, shape: Shape) -> list[Site]:
        """Where dropout acts."""
        a = learner.arguments
        sites = []
        for side, time, attentions in (
            ("encoder", shape.source, ("self_attn",)),
            ("decoder", shape.target, ("self_attn", "encoder_attn")),
        ):
            names = [f"{side} in"]
            names += [
                f"{side}.layers.{layer}.{part}" for layer in range(a[f"{side}_layers"]) for part in (*attentions, "fc2")
            ]
            sites += [Site(name, time, a[f"{side}_embed_dim"], a["dropout"]) for name in names]
        return sites

    def forward(self, masks: Masks) -> Tensor:
        """Logits of each target symbol: (models, batch, time, symbols)."""
        return self.decoder.forward(self.encoder.forward(masks), masks)

    def backward(self, d_logits: Tensor) -> None:
        """Gradients of all weights, from that with respect to the logits."""
        self.encoder.backward(self.decoder.backward(d_logits))

    def start_decoding(self, longest: int) -> None:
        """Encode the sources; at most `longest` symbols will be decoded."""
        self.decoder.start_decoding(self.encoder.forward({}), longest)

    def decode(self, ids: Tensor, t: int) -> Tensor:
        """Logits of the next symbols, (models, batch, symbols), after the t-th ones, `ids` (models, batch)."""
        return self.decoder.decode(ids, t)


def sinusoids(positions: int, features: int) -> Tensor:
    """Fixed embeddings of the first `positions` positions. (fairseq/modules/sinusoidal_positional_embedding.py)

    Positions are counted from the padding symbol's id plus 1; features are sines, then cosines, then (if odd) a zero.
    """
    half = features // 2
    rates = torch.exp(torch.arange(half, dtype=torch.float) * -(math.log(10000) / (half - 1)))
    angles = torch.arange(PAD + 1, PAD + 1 + positions, dtype=torch.float)[:, None] * rates
    return torch.cat((angles.sin(), angles.cos(), torch.zeros(positions, features % 2)), 1)


def padding_bias(batch: Batch, dtype: torch.dtype) -> Tensor | None:
    """Minus infinity where a source is padding: (models * batch, source time, 1); None where none is."""
    if bool(batch.source_mask.all()):
        return None
    zeros = torch.zeros(batch.source.shape, device=batch.source.device, dtype=dtype)
    return zeros.masked_fill(~batch.source_mask, -torch.inf).flatten(0, 1)[..., None]


class Embedded:
    """Symbols and positions, embedded, added and dropped out."""

    def __init__(self, learner: Learner, weights: Parameters, gradients: Gradients, side: str, ids: Tensor) -> None:
        features = learner.arguments[f"{side}_embed_dim"]
        scale = 1.0 if learner.arguments["no_scale_embedding"] else math.sqrt(features)
        self.tokens = Embedding(weights, gradients, f"{side}.embed_tokens", ids, PAD, scale)
        self.positions = sinusoids(ids.size(2), features).to(weights.flat)
        self.site = f"{side} in"

    def forward(self, masks: Masks) -> Tensor:
        """(models, batch, time, features)."""
        self.mask = masks.get(self.site)
        return dropped(self.tokens.forward() + self.positions, self.mask)

    def backward(self, dy: Tensor) -> None:
        """From the gradient with respect to `forward`'s result."""
        self.tokens.backward(dropped(dy, self.mask))


class Encoder:
    """Layers of self-attention and feed-forward."""

    def __init__(self, learner: Learner, weights: Parameters, gradients: Gradients, batch: Batch) -> None:
        heads = learner.arguments["encoder_attention_heads"]
        self.embedded = Embedded(learner, weights, gradients, "encoder", batch.source)
        names = [f"encoder.layers.{layer}" for layer in range(learner.arguments["encoder_layers"])]
        self.layers = [
            (Attend(weights, gradients, name, "self_attn", heads), FeedForward(weights, gradients, name))
            for name in names
        ]
        self.bias = padding_bias(batch, weights.flat.dtype)

    def forward(self, masks: Masks) -> Tensor:
        """(models, batch, time, features)."""
        x = self.embedded.forward(masks)
        for attend, feed_forward in self.layers:
            x = feed_forward.forward(attend.forward(x, x, self.bias, masks), masks)
        return x

    def backward(self, dx: Tensor) -> None:
        """From the gradient with respect to `forward`'s result."""
        for attend, feed_forward in reversed(self.layers):
            from_query, from_source = attend.backward(feed_forward.backward(dx))
            dx = from_query + from_source
        self.embedded.backward(dx)


class Decoder:
    """Layers of self-attention over what came before, attention to the source, and feed-forward.

    With `cross_self_attention` self-attention sees the source's symbols too, in front of the target's.
    """

    def __init__(self, learner: Learner, weights: Parameters, gradients: Gradients, batch: Batch) -> None:
        heads = learner.arguments["decoder_attention_heads"]
        self.joint = bool(learner.arguments["cross_self_attention"])
        self.embedded = Embedded(learner, weights, gradients, "decoder", batch.previous)
        names = [f"decoder.layers.{layer}" for layer in range(learner.arguments["decoder_layers"])]
        self.layers = [
            (
                Attend(weights, gradients, name, "self_attn", heads),
                Attend(weights, gradients, name, "encoder_attn", heads),
                FeedForward(weights, gradients, name),
            )
            for name in names
        ]
        self.embed_out, self.d_embed_out = (p.values["decoder.embed_out"] for p in (weights, gradients))
        self.bias = padding_bias(batch, weights.flat.dtype)
        self.self_bias = self._self_bias(batch)

    def _self_bias(self, batch: Batch) -> Tensor:
        """Minus infinity where self-attention must not look: (models * batch or 1, keys, target time)."""
        time = batch.previous.size(2)
        future = self.embed_out.new_full((1, time, time), -torch.inf).tril(-1)
        if not self.joint:
            return future
        rows, sources = batch.source.size(0) * batch.source.size(1), batch.source.size(2)
        bias = future.new_zeros(rows, sources + time, time)
        bias[:, sources:] = future
        if self.bias is not None:
            bias[:, :sources] = self.bias
        return bias

    def forward(self, source: Tensor, masks: Masks) -> Tensor:
        """Logits (models, batch, time, symbols)."""
        x = self.embedded.forward(masks)
        for attend_self, attend_source, feed_forward in self.layers:
            seen = torch.cat((source, x), 2) if self.joint else x
            x = attend_self.forward(x, seen, self.self_bias, masks)
            x = attend_source.forward(x, source, self.bias, masks)
            x = feed_forward.forward(x, masks)
        self.features = x.flatten(1, 2)
        return torch.bmm(self.features, self.embed_out.mT).view(*x.shape[:3], -1)

    def backward(self, d_logits: Tensor) -> Tensor:
        """The gradient with respect to the encoder's output."""
        rows = d_logits.shape[1:3]
        flat = d_logits.flatten(1, 2)
        torch.bmm(flat.mT, self.features, out=self.d_embed_out)
        dx = torch.bmm(flat, self.embed_out).unflatten(1, rows)
        d_source: Tensor | float = 0.0
        for attend_self, attend_source, feed_forward in reversed(self.layers):
            dx, from_source = attend_source.backward(feed_forward.backward(dx))
            d_source = d_source + from_source
            dx, from_seen = attend_self.backward(dx)
            if self.joint:
                sources = from_seen.size(2) - rows[1]
                d_source = d_source + from_seen[:, :, :sources]
                from_seen = from_seen[:, :, sources:]
            dx = dx + from_seen
        self.embedded.backward(dx)
        assert isinstance(d_source, Tensor)
        return d_source

    def start_decoding(self, source: Tensor, longest: int) -> None:
        """Project the source once; what has been decoded is projected as it comes."""
        self.positions = sinusoids(longest + 1, source.size(3)).to(source)
        for attend_self, attend_source, _ in self.layers:
            attend_source.remember(source, self.bias)
            if self.joint:
                attend_self.remember(source, self.bias)
            else:
                attend_self.remember(source[:, :, :0], None)

    def decode(self, ids: Tensor, t: int) -> Tensor:
        """Logits of the next symbols, (models, batch, symbols), after the t-th ones, `ids` (models, batch)."""
        x = (self.embedded.tokens.look_up(ids) + self.positions[t])[:, :, None]
        for attend_self, attend_source, feed_forward in self.layers:
            attend_self.recall(x)
            x = attend_self.forward_remembered(x)
            x = feed_forward.forward(attend_source.forward_remembered(x), {})
        return torch.bmm(x.squeeze(2), self.embed_out.mT)
