"""Whole updates of Transformers in C, one model at a time: what a CPU trains them by.

It computes what `transformer.py` does, and needs neither companions nor padding: each training's symbols stand below
each other, and as many updates as nobody wants to look between are one call (`native/transformer.c`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from indoubt.engines.fairseq.randomness import drawn_places
from indoubt.engines.fused import kernels
from indoubt.engines.fused.adam import Adam, Schedule
from indoubt.engines.fused.batches import Shape
from indoubt.engines.fused.dropout import numbered_places, rows_of
from indoubt.engines.fused.parameters import Parameters
from indoubt.engines.fused.transformer import Transformer, sinusoids
from indoubt.training import Training

SIDES = ("encoder", "decoder")


class TransformersInC:
    """The trainings of a lockstep, whose weights and moments are changed in place."""

    def __init__(self, trainings: Sequence[Training], weights: Parameters, adam: Adam, step_sizes: Tensor) -> None:
        """
        Args:
            trainings: of one learner, with dictionaries of one size; row by row those of `weights`.
            step_sizes: Adam's at each update, (updates,), in double precision.
        """
        self._trainings, self._weights, self._adam = trainings, weights, adam
        self._schedule, self._step_sizes = Schedule.of(trainings[0].learner), step_sizes
        arguments, flat = trainings[0].learner.arguments, weights.flat
        examples = [example for training in trainings for example in training.examples]
        longest = max(len(e.source) for e in examples), max(len(e.target) for e in examples)
        self._sizes = _sizes(arguments, weights, longest)
        self._names = _names(arguments)
        given = [name for name in self._names if name is not None]
        self._block_sizes = torch.tensor([weights.values[name][0].numel() for name in given])
        self._gradients = weights.like(1)
        sites = Transformer.sites(trainings[0].learner, Shape(0, *longest))
        self._places = numbered_places(sites, flat.device, flat.dtype)
        sizes = [site.time * site.features if site.probability > 0 else 0 for site in sites]
        starts = accumulate(sizes, initial=0)
        self._starts = torch.tensor([at if size else -1 for at, size in zip(starts, sizes, strict=False)])
        self._positions = sinusoids(max(longest), arguments["encoder_embed_dim"]).to(flat)
        self._data = [self._of_training(training) for training in trainings]
        self._models = [self._of_model(row) for row in range(len(trainings))]

    def update(self, done: int, updates: int) -> Tensor:
        """So many updates of all models, from number `done` on; the nats of each one's last batch, (models,).

        Raises:
            OutOfMemoryError: memory does not suffice; the models are somewhere in between.
        """
        nats, finished = torch.zeros(len(self._trainings), dtype=torch.double), torch.zeros(1, dtype=torch.long)
        s, steps = self._schedule, self._step_sizes[done:]
        for row, (training, model) in enumerate(zip(self._trainings, self._models, strict=True)):
            chosen = _chosen(training, done, updates)
            between = chosen.stride(0) if len(chosen) > 1 else 0
            kernels.bound(
                self._weights.flat.dtype,
                "transformer_updates",
                *model,
                *(len(self._block_sizes), chosen, chosen.size(1), between, steps),
                *(done, updates, *s.betas, s.eps, float(max(s.clip_norm, 0.0)), nats[row:], finished),
            )()
            if int(finished) < updates:
                raise torch.OutOfMemoryError("memory does not suffice for an update of one model")
        return nats

    def _of_model(self, row: int) -> list[Tensor]:
        """Where one model's data, weights, gradients and moments lie, which they do for all its updates."""
        weights, first, second = (
            self._pointers(each, row) for each in (self._weights, self._adam.first, self._adam.second)
        )
        gradients = self._pointers(self._gradients, 0)
        given = [_addresses(each) for each in (weights, gradients)]
        blocks = [_addresses(_given(each)) for each in (weights, gradients, first, second)]
        return [self._sizes, _addresses(self._data[row]), *given, *blocks, self._block_sizes]

    def _of_training(self, training: Training) -> list[Tensor]:
        """What a training is trained on, as `Data` in native/transformer.c has it."""
        sides = [[e.source for e in training.examples], [e.target for e in training.examples]]
        ids = [torch.tensor([symbol for each in side for symbol in each]) for side in sides]
        starts = [torch.tensor(list(accumulate(map(len, side), initial=0))) for side in sides]
        n_rows = training.learner.batch_size or len(training.examples)
        rows = rows_of([training.key], [range(n_rows)], ids[0].device)
        places = self._places
        return [*ids, *starts, self._positions, rows, places.counters, places.thresholds, places.scales, self._starts]

    def _pointers(self, values: Parameters, row: int) -> list[Tensor | None]:
        """One model's blocks, in the order of `Weights` in native/transformer.h."""
        return [None if name is None else values.values[name][row] for name in self._names]


def _chosen(training: Training, done: int, updates: int) -> Tensor:
    """The examples of each update's batch, (updates, batch); (1, batch) where they are always all."""
    size, n_examples = training.learner.batch_size, len(training.examples)
    if size is None:
        return torch.arange(n_examples)[None]
    return torch.tensor([drawn_places(training.key, done + i, n_examples, size) for i in range(updates)])


def _sizes(arguments: dict[str, Any], weights: Parameters, longest: tuple[int, int]) -> Tensor:
    """`Sizes` of native/transformer.h."""
    pairs = [arguments[f"{side}_{what}"] for what in ("ffn_embed_dim", "attention_heads", "layers") for side in SIDES]
    symbols = [weights.values[f"{side}.embed_tokens.weight"].size(1) for side in SIDES]
    flags = [bool(arguments["cross_self_attention"]), bool(arguments["no_scale_embedding"])]
    numbers = [arguments["encoder_embed_dim"], *pairs, *symbols, *longest, *flags]
    return torch.tensor([int(number) for number in numbers])


def _names(arguments: dict[str, Any]) -> list[str | None]:
    """The blocks in the order of `Weights` in native/transformer.h; None where a layer has none."""
    names: list[str | None] = ["encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "decoder.embed_out"]
    linear = [f"{each}.{kind}" for each in ("q_proj", "kv", "out_proj") for kind in ("weight", "bias")]
    for side in SIDES:
        for layer in range(arguments[f"{side}_layers"]):
            own: list[str | None] = []
            for attention in ("self_attn", "encoder_attn"):
                parts = [f"{attention}.{part}" for part in linear]
                parts += [f"{attention}_layer_norm.{kind}" for kind in ("weight", "bias")]
                own += parts if (side, attention) != ("encoder", "encoder_attn") else [None] * len(parts)
            own += [f"{each}.{kind}" for each in ("fc1", "fc2", "final_layer_norm") for kind in ("weight", "bias")]
            names += [name and f"{side}.layers.{layer}.{name}" for name in own]
    return names


def _given(tensors: Sequence[Tensor | None]) -> list[Tensor | None]:
    return [tensor for tensor in tensors if tensor is not None]


def _addresses(tensors: Sequence[Tensor | None]) -> Tensor:
    """Where tensors lie, as C reads an array of pointers; they must outlive its use."""
    return torch.tensor([0 if tensor is None else tensor.data_ptr() for tensor in tensors])
