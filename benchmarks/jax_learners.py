"""The learners of config.yaml in JAX, as somebody would write them who knows it, one layer a side.

(fairseq/models/transformer.py, lstm.py, fconv.py) Weights have fairseq's names.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array, lax

from indoubt.data.vocabulary import PAD
from indoubt.engines.fused.transformer import sinusoids

Weights = dict[str, Array]
Arguments = dict[str, Any]


class Batch(NamedTuple):
    """Examples, padded on the right: ids (examples, time), and which of them are symbols."""

    source: Array
    source_mask: Array
    previous: Array
    target: Array
    target_mask: Array


class Dropout:
    """Masks for one pass, each place with a key of its own."""

    def __init__(self, key: Array | None) -> None:
        self._key, self._n = key, 0

    def __call__(self, x: Array, rate: float) -> Array:
        if self._key is None or rate == 0:
            return x
        self._n += 1
        kept = jax.random.bernoulli(jax.random.fold_in(self._key, self._n), 1 - rate, x.shape)
        return jnp.where(kept, x / (1 - rate), 0)


def linear(w: Weights, name: str, x: Array) -> Array:
    """x W^T + b; W from its direction and its rows' lengths where it has these (weight norm)."""
    matrix = w.get(f"{name}.weight")
    if matrix is None:
        direction = w[f"{name}.weight_v"]
        matrix = w[f"{name}.weight_g"] * direction / jnp.linalg.norm(direction, axis=1, keepdims=True)
    y = x @ matrix.T
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def normed(w: Weights, name: str, x: Array) -> Array:
    x = x - x.mean(-1, keepdims=True)
    return x * lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"] + w[f"{name}.bias"]


def attended(w: Weights, name: str, asking: Array, seen: Array, mask: Array, heads: int) -> Array:
    """Multi-head attention; `mask` (examples, asking, seen) says what is seen."""

    def split(x: Array) -> Array:
        return x.reshape(*x.shape[:2], heads, -1)

    q, k, v = (split(linear(w, f"{name}.{p}_proj", x)) for p, x in (("q", asking), ("k", seen), ("v", seen)))
    scores = jnp.einsum("bqhd,bkhd->bhqk", q * q.shape[-1] ** -0.5, k)
    chances = jax.nn.softmax(jnp.where(mask[:, None], scores, -jnp.inf), axis=-1)
    context = jnp.einsum("bhqk,bkhd->bqhd", chances, v)
    return linear(w, f"{name}.out_proj", context.reshape(asking.shape))


def transformer(w: Weights, batch: Batch, drop: Dropout, a: Arguments) -> Array:
    """Logits (examples, time, symbols)."""
    rate, heads, joint = a["dropout"], a["encoder_attention_heads"], bool(a["cross_self_attention"])

    def embedded(side: str, ids: Array) -> Array:
        table = w[f"{side}.embed_tokens.weight"]
        positions = jnp.asarray(sinusoids(ids.shape[1], table.shape[1]).numpy())
        return drop(table[ids] * table.shape[1] ** 0.5 + positions, rate)

    def attend(name: str, part: str, x: Array, seen: Array, mask: Array) -> Array:
        y = attended(w, f"{name}.{part}", x, seen, mask, heads)
        return normed(w, f"{name}.{part}_layer_norm", x + drop(y, rate))

    def feed_forward(name: str, x: Array) -> Array:
        y = linear(w, f"{name}.fc2", jax.nn.relu(linear(w, f"{name}.fc1", x)))
        return normed(w, f"{name}.final_layer_norm", x + drop(y, rate))

    first, second = "encoder.layers.0", "decoder.layers.0"
    x = embedded("encoder", batch.source)
    of_source = jnp.broadcast_to(batch.source_mask[:, None], (*batch.source.shape, batch.source.shape[1]))
    source = feed_forward(first, attend(first, "self_attn", x, x, of_source))
    x = embedded("decoder", batch.previous)
    time = batch.previous.shape[1]
    from_target = jnp.broadcast_to(batch.source_mask[:, None], (len(x), time, batch.source.shape[1]))
    before = jnp.broadcast_to(jnp.tril(jnp.ones((time, time), bool)), (len(x), time, time))
    seen, mask = (jnp.concatenate((source, x), 1), jnp.concatenate((from_target, before), 2)) if joint else (x, before)
    x = attend(second, "self_attn", x, seen, mask)
    x = feed_forward(second, attend(second, "encoder_attn", x, source, from_target))
    return x @ w["decoder.embed_out"].T


def lstm(w: Weights, batch: Batch, drop: Dropout, a: Arguments) -> Array:
    """Logits (examples, time, symbols)."""
    attention = "decoder.attention.input_proj.weight" in w
    hidden = a["encoder_hidden_size"]

    def step(gates: Array, c: Array) -> tuple[Array, Array]:
        i, f, g, o = jnp.split(gates, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return jax.nn.sigmoid(o) * jnp.tanh(c), c

    def biases(cell: str, layer: str) -> Array:
        return w[f"{cell}.bias_ih{layer}"] + w[f"{cell}.bias_hh{layer}"]

    x = drop(w["encoder.embed_tokens.weight"][batch.source], a["encoder_dropout_in"])
    inputs = x @ w["encoder.lstm.weight_ih_l0"].T + biases("encoder.lstm", "_l0")

    def read(state: tuple[Array, Array], now: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        (h, c), (of_input, present) = state, now
        after = step(of_input + h @ w["encoder.lstm.weight_hh_l0"].T, c)
        state = tuple(jnp.where(present[:, None], new, old) for new, old in zip(after, (h, c), strict=True))
        return state, state[0]  # type: ignore[return-value]

    zeros = jnp.zeros((len(x), hidden))
    (h, c), states = lax.scan(read, (zeros, zeros), (inputs.swapaxes(0, 1), batch.source_mask.T))
    source = drop(states, a["encoder_dropout_out"]) if attention else states  # (time, examples, hidden)

    x = drop(w["decoder.embed_tokens.weight"][batch.previous], a["decoder_dropout_in"])
    of_symbol, of_feed = jnp.split(w["decoder.layers.0.weight_ih"], [x.shape[-1]], 1)
    inputs = (x @ of_symbol.T + biases("decoder.layers.0", "")).swapaxes(0, 1)
    kept = drop(jnp.ones((*inputs.shape[:2], hidden)), a["decoder_dropout_out"])

    def write(state: tuple[Array, Array, Array], now: tuple[Array, Array]) -> tuple[tuple[Array, Array, Array], Array]:
        (h, c, feed), (of_input, mask) = state, now
        h, c = step(of_input + feed @ of_feed.T + h @ w["decoder.layers.0.weight_hh"].T, c)
        out = h
        if attention:
            scores = (source * (h @ w["decoder.attention.input_proj.weight"].T)).sum(-1)
            chances = jax.nn.softmax(jnp.where(batch.source_mask.T, scores, -jnp.inf), axis=0)
            joined = jnp.concatenate(((chances[..., None] * source).sum(0), h), 1)
            out = jnp.tanh(joined @ w["decoder.attention.output_proj.weight"].T)
        out = out * mask
        return (h, c, out), out

    _, outs = lax.scan(write, (h, c, zeros), (inputs, kept))
    return linear(w, "decoder.fc_out", outs.swapaxes(0, 1))


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def multiply_gradient(x: Array, factor: float) -> Array:
    """x, whose gradient is multiplied. (fairseq/modules/grad_multiply.py)"""
    return x


multiply_gradient.defvjp(lambda x, factor: (x, None), lambda factor, _, dy: (factor * dy,))


def cnn(w: Weights, batch: Batch, drop: Dropout, a: Arguments) -> Array:
    """Logits (examples, time, symbols)."""
    rate, half = a["dropout"], 0.5**0.5

    def embedded(side: str, ids: Array) -> Array:
        positions = w[f"{side}.embed_positions.weight"][PAD + 1 : PAD + 1 + ids.shape[1]]
        return drop(w[f"{side}.embed_tokens.weight"][ids] + positions, rate)

    def convolved(name: str, x: Array, before: int, after: int) -> Array:
        """A window of `before` symbols, this one and `after`, as one product, through a gated linear unit."""
        direction = w[f"{name}.weight_v"].reshape(-1, w[f"{name}.bias"].size)
        scale = w[f"{name}.weight_g"][0, 0] / jnp.sqrt(jnp.square(direction).sum(0))  # of outputs: less to compute
        padded = jnp.pad(x, ((0, 0), (before, after), (0, 0)))
        window = [padded[:, place : place + x.shape[1]] for place in range(before + 1 + after)]
        y = jnp.concatenate(window, -1) @ direction * scale + w[f"{name}.bias"]
        value, gate = jnp.split(y, 2, -1)
        return value * jax.nn.sigmoid(gate)

    present = batch.source_mask[..., None]
    embedding = embedded("encoder", batch.source)
    x = linear(w, "encoder.fc1", embedding)
    y = convolved("encoder.convolutions.0", drop(jnp.where(present, x, 0), rate), 1, 1)
    x = jnp.where(present, linear(w, "encoder.fc2", (y + x) * half), 0)
    source = multiply_gradient(x, 0.5)
    values = (source + embedding) * half

    embedding = embedded("decoder", batch.previous)
    x = linear(w, "decoder.fc1", embedding)
    y = convolved("decoder.convolutions.0", drop(x, rate), 2, 0)
    asking = (linear(w, "decoder.attention.0.in_projection", y) + embedding) * half
    scores = jnp.where(batch.source_mask[:, None], asking @ source.swapaxes(1, 2), -jnp.inf)
    length = batch.source_mask.sum(1)[:, None, None]
    context = jax.nn.softmax(scores, axis=-1) @ values * jnp.sqrt(length)
    y = (linear(w, "decoder.attention.0.out_projection", context) + y) * half
    x = drop(linear(w, "decoder.fc2", (y + x) * half), rate)
    return linear(w, "decoder.fc3", x)


MODELS: dict[str, Callable[[Weights, Batch, Dropout, Arguments], Array]] = {
    "transformer": transformer,
    "lstm": lstm,
    "fconv": cnn,
}
