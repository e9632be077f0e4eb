"""Layers of the built-in Transformers: fairseq's post-norm layer, and six ways of telling where a symbol stands.

Sequences are (batch, time, ...) and padded on the right. Everything is made of operations that `torch.func.vmap` knows,
so that many seeds train at once; nothing here knows that they do.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from indoubt.errors import UserError, nearest

#: The id of padding in every dictionary; its embedding starts at zero. (fairseq/data/dictionary.py)
PAD = 1
#: How positions may be told; `Attention` does the last three, `Stack` the first two.
POSITIONS = ("sinusoidal", "learned", "none", "rope", "alibi", "relative")
#: The least width of a head that rotary positions make sense for: four frequencies.
ROPE_WIDTH = 8
#: The base of their frequencies: the fastest turns once in 2 pi places, the slowest once in about 2 pi times the base.
ROPE_BASE = 10000.0
#: T5's buckets of relative positions, and the distance from which on all fall into the last.
BUCKETS, FAR = 32, 128


def embedding(symbols: int, width: int) -> nn.Embedding:
    """A table of N(0, 1/width), zeros for padding. (fairseq/models/transformer.py: Embedding)"""
    table = nn.Embedding(symbols, width)
    nn.init.normal_(table.weight, std=width**-0.5)
    with torch.no_grad():
        table.weight[PAD] = 0
    return table


def projection(width: int, symbols: int) -> nn.Linear:
    """From states to logits: N(0, 1/width), no bias. (fairseq/models/transformer.py: embed_out)"""
    layer = nn.Linear(width, symbols, bias=False)
    nn.init.normal_(layer.weight, std=width**-0.5)
    return layer


def xavier(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer, Xavier uniform, its bias zero. (fairseq/models/transformer.py: Linear)"""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def sinusoids(times: int, width: int, device: torch.device | None = None) -> Tensor:
    """(times, width): sines, then cosines, of wavelengths from 2 pi to 20000 pi.

    The first symbol stands at place 2, as fairseq counts. (fairseq/modules/sinusoidal_positional_embedding.py)
    """
    half = width // 2
    rates = torch.exp(torch.arange(half, device=device) * (-math.log(10000) / (half - 1)))
    angles = torch.arange(PAD + 1, PAD + 1 + times, device=device)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], -1)


def rotated(x: Tensor, base: float = ROPE_BASE, scale: float = 1.0) -> Tensor:
    """Rotary positions of x (..., time, width of a head): pairs (k, k + width/2) turned by scale * place /
    base^(2k/width).

    (Su et al. 2021; pairs as in transformers/models/llama/modeling_llama.py: rotate_half)
    """
    times, width = x.shape[-2:]
    rates = base ** (torch.arange(0, width, 2, device=x.device) / -width)
    angles = (torch.arange(times, device=x.device) * scale)[:, None] * rates
    first, second = x.chunk(2, -1)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def alibi(heads: int, times: int, device: torch.device | None = None) -> Tensor:
    """(heads, times, times): the distance between query and key, times -2^(-8h/heads) for h = 1, ..., heads.

    (Press, Smith and Lewis 2022)
    """
    places = torch.arange(times, device=device)
    slopes = 2.0 ** (torch.arange(1, heads + 1, device=device) * (-8 / heads))
    return -slopes[:, None, None] * (places[:, None] - places).abs()


def buckets(times: int, causal: bool, device: torch.device | None = None) -> Tensor:
    """(times, times): for query and key the bucket of their distance; exact when near, logarithmic when far.

    (Raffel et al. 2020; transformers/models/t5/modeling_t5.py: _relative_position_bucket)
    """
    places = torch.arange(times, device=device)
    behind = places[:, None] - places
    number, later = (BUCKETS, 0) if causal else (BUCKETS // 2, (behind < 0) * (BUCKETS // 2))
    distance = behind.clamp(min=0) if causal else behind.abs()
    exact = number // 2
    steps = torch.log(distance.clamp(min=1) / exact) / math.log(FAR / exact) * (number - exact)
    far = (exact + steps.long()).clamp(max=number - 1)
    return later + torch.where(distance < exact, distance, far)


class Attention(nn.Module):
    """fairseq's multi-head attention; `rope`, `alibi` and `relative` positions act here. (multihead_attention.py)"""

    def __init__(
        self,
        width: int,
        heads: int,
        positions: str = "none",
        causal: bool = False,
        rope_base: float = ROPE_BASE,
        position_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.heads, self.positions, self.causal = heads, positions, causal
        self.turn = rope_base, position_scale
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        for layer in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(layer.weight, gain=2**-0.5)
        self.out = xavier(width, width)
        if positions == "relative":
            self.nearness = nn.Parameter(torch.randn(BUCKETS, heads) * width**-0.5)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None) -> Tensor:
        """What each place of x (batch, time, width) finds in `memory` (batch, places, width).

        Args:
            mask: (batch, places), true where a symbol stands; None: everywhere.
        """
        query = self.query(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        key, value = (of(memory).unflatten(-1, (self.heads, -1)).transpose(1, 2) for of in (self.key, self.value))
        if self.positions == "rope":
            query, key = rotated(query, *self.turn), rotated(key, *self.turn)
        scores = (query * query.size(-1) ** -0.5) @ key.transpose(-1, -2)
        times = x.size(1)
        if self.positions == "alibi":
            scores = scores + alibi(self.heads, times, x.device)
        elif self.positions == "relative":
            scores = scores + self.nearness[buckets(times, self.causal, x.device)].permute(2, 0, 1)
        if self.causal:
            later = torch.ones(times, times, dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None], -torch.inf)
        found: Tensor = self.out((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))
        return found


class Layer(nn.Module):
    """Self-attention, attention to a memory if there is one, feed-forward; after each dropout, sum and layer norm.

    (fairseq/modules/transformer_layer.py with normalize_before false)
    """

    def __init__(
        self,
        width: int,
        ffn: int,
        heads: int,
        dropout: float,
        positions: str,
        causal: bool,
        memory: bool,
        rope_base: float = ROPE_BASE,
        position_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.attention = Attention(width, heads, positions, causal, rope_base, position_scale)
        self.attention_norm = nn.LayerNorm(width)
        if memory:
            self.cross, self.cross_norm = Attention(width, heads), nn.LayerNorm(width)
        self.inner, self.outer, self.norm = xavier(width, ffn), xavier(ffn, width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None, memory: Tensor | None, memory_mask: Tensor | None) -> Tensor:
        x = self.attention_norm(x + self.dropout(self.attention(x, x, mask)))
        if memory is not None:
            x = self.cross_norm(x + self.dropout(self.cross(x, memory, memory_mask)))
        normed: Tensor = self.norm(x + self.dropout(self.outer(self.inner(x).relu())))
        return normed


class Stack(nn.Module):
    """Embeddings times the root of their width, positions, dropout, layers: a Transformer's encoder or decoder."""

    def __init__(
        self,
        symbols: int,
        *,
        width: int,
        ffn: int,
        heads: int,
        layers: int,
        dropout: float,
        positions: str,
        shared: bool,
        longest: int,
        causal: bool,
        memory: bool = False,
        rope_base: float = ROPE_BASE,
        position_scale: float = 1.0,
    ) -> None:
        """
        Args:
            positions: one of `POSITIONS`.
            rope_base, position_scale: of rotary positions the base of the frequencies, and what places are multiplied
                by.
            shared: whether one layer's weights are applied `layers` times (Dehghani et al. 2019, without halting).
            longest: symbols of the longest sequence, where positions are `learned`.
            causal: whether a place sees no later one.
            memory: whether there is another sequence to attend to.

        Raises:
            UserError: sizes or positions do not go together.
        """
        super().__init__()
        _check(width, heads, positions, rope_base, position_scale)
        self.table, self.positions, self.scale = embedding(symbols, width), positions, math.sqrt(width)
        if positions == "learned":
            self.places = nn.Parameter(torch.randn(longest, width) * width**-0.5)
        self.layers = nn.ModuleList(
            Layer(width, ffn, heads, dropout, positions, causal, memory, rope_base, position_scale)
            for _ in range(1 if shared else layers)
        )
        self.times = layers if shared else 1
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        ids: Tensor,
        mask: Tensor | None = None,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """The states (batch, time, width) of ids (batch, time); masks (batch, time) are true where a symbol stands.

        Raises:
            UserError: positions are `learned` and the sequence has more symbols than there are.
        """
        x: Tensor = self.table(ids) * self.scale
        times = ids.size(1)
        if self.positions == "sinusoidal":
            x = x + sinusoids(times, x.size(-1), x.device)
        elif self.positions == "learned":
            if times > self.places.size(0):
                raise UserError(f"longest: {self.places.size(0)} positions are learned, but {times} symbols come")
            x = x + self.places[:times]
        x = self.dropout(x)
        for _ in range(self.times):
            for layer in self.layers:
                x = layer(x, mask, memory, memory_mask)
        return x


def _check(width: int, heads: int, positions: str, rope_base: float, position_scale: float) -> None:
    if positions not in POSITIONS:
        raise UserError(f"positions: {positions!r} is none of {', '.join(POSITIONS)}{nearest(positions, POSITIONS)}")
    if heads < 1 or width % heads:
        raise UserError(f"heads: width {width} cannot be divided among {heads} heads")
    if positions == "rope" and (width // heads < ROPE_WIDTH or width // heads % 2):
        raise UserError(
            f"heads: {heads} of width {width} leave rotary positions a head of {width // heads}, of which at least "
            f"{ROPE_WIDTH} and an even number are needed; give heads: {max(width // ROPE_WIDTH, 1)}"
        )
    if positions != "rope" and (rope_base, position_scale) != (ROPE_BASE, 1.0):
        raise UserError(f"rope_base and position_scale are of `positions: rope`, not of {positions!r}; leave them out")
    if rope_base <= 1 or position_scale <= 0:
        raise UserError(
            f"rope_base must be above 1 and position_scale above 0, they are {rope_base:g} and {position_scale:g}"
        )
    if positions == "sinusoidal" and width < 4:
        raise UserError(f"width: sinusoidal positions need a width of 4 or more, not {width}")
