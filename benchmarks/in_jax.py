"""Trainings in JAX: what a researcher could use instead of engine `fused`, to be measured beside it.

JAX is no part of the environment. The benchmark takes it from a folder, here `jax`:

    .venv/bin/uv pip install --target jax --no-deps jax==0.8.1 jaxlib==0.8.1 ml_dtypes opt_einsum
    PYTHONPATH=jax .venv/bin/python benchmarks/engines.py --against jax

All updates of a training are one compiled call (`lax.scan`), of one model or of many (`vmap`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

# One thread, as everything here; read when JAX is imported.
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import jax.numpy as jnp
import numpy as np
import torch
from jax import Array, lax

from benchmarks.jax_learners import MODELS, Batch, Dropout, Weights
from indoubt.data.vocabulary import PAD
from indoubt.engines.fused.adam import Schedule
from indoubt.engines.fused.lockstep import initial_weights
from indoubt.training import Training

#: Random bits for dropout: of JAX's generators the fastest on a CPU.
GENERATOR = "unsafe_rbg"


def trainer(training: Training) -> Callable[[Weights, Batch, Array], tuple[Weights, Array]]:
    """All updates of a training like this one: from weights, batch and key to weights and each update's nats."""
    schedule, arguments, updates = Schedule.of(training.learner), training.learner.arguments, training.learner.updates
    model, (beta1, beta2) = MODELS[arguments["arch"]], schedule.betas
    plain = arguments["dropout"] == 0

    def loss(w: Weights, batch: Batch, key: Array | None) -> tuple[Array, Array]:
        log_probs = jax.nn.log_softmax(model(w, batch, Dropout(key), arguments))
        nats = -jnp.take_along_axis(log_probs, batch.target[..., None], -1)[..., 0]
        total = jnp.where(batch.target_mask, nats, 0).sum()
        return total / len(batch.target), total

    def train(w: Weights, batch: Batch, key: Array) -> tuple[Weights, Array]:
        def update(state: tuple[Weights, Weights, Weights], now: tuple[Array, Array]) -> tuple[Any, Array]:
            (w, m, v), (number, step) = state, now
            of_update = None if plain else jax.random.fold_in(key, number)
            gradient, nats = jax.grad(loss, has_aux=True)(w, batch, of_update)
            norm = jnp.sqrt(sum(jnp.vdot(g, g) for g in gradient.values()))
            factor = jnp.minimum(schedule.clip_norm / (norm + 1e-6), 1)
            gradient = {name: factor * g for name, g in gradient.items()}
            m = {name: beta1 * m[name] + (1 - beta1) * g for name, g in gradient.items()}
            v = {name: beta2 * v[name] + (1 - beta2) * g * g for name, g in gradient.items()}
            w = {name: w[name] - step * m[name] / (jnp.sqrt(v[name]) + schedule.eps) for name in w}
            return (w, m, v), nats

        zeros = {name: jnp.zeros_like(value) for name, value in w.items()}
        steps = jnp.arange(updates), jnp.asarray(schedule.step_sizes(0), jnp.float32)
        (w, _, _), nats = lax.scan(update, (w, zeros, zeros), steps)
        return w, nats

    return train


def batch_of(training: Training, longest: tuple[int, int]) -> Batch:
    """A training's examples, padded to the longest source and target."""

    def padded(rows: Sequence[Sequence[int]], width: int) -> Array:
        return jnp.asarray(np.array([[*row, *[PAD] * (width - len(row))] for row in rows], np.int32))

    sources, targets = [e.source for e in training.examples], [e.target for e in training.examples]
    source, target = padded(sources, longest[0]), padded(targets, longest[1])
    previous = padded([(row[-1], *row[:-1]) for row in targets], longest[1])
    return Batch(source, source != PAD, previous, target, target != PAD)


class InJax:
    """Trainings of one learner and number of examples, compiled to run together; of a single one, alone."""

    def __init__(self, trainings: Sequence[Training]) -> None:
        examples = [example for training in trainings for example in training.examples]
        longest = max(len(e.source) for e in examples), max(len(e.target) for e in examples)
        weights = initial_weights(trainings, torch.device("cpu"))
        rows = [{n: jnp.asarray(v.numpy()) for n, v in weights.export(row).items()} for row in range(len(trainings))]
        batches = [batch_of(training, longest) for training in trainings]
        keys = [jax.random.key(training.seed, impl=GENERATOR) for training in trainings]
        train = trainer(trainings[0])
        if len(trainings) == 1:
            self._given: tuple[Any, ...] = (rows[0], batches[0], keys[0])
        else:
            together: Any = [jax.tree.map(lambda *each: jnp.stack(each), *of) for of in (rows, batches, keys)]
            self._given, train = tuple(together), jax.vmap(train)
        self._compiled = jax.jit(train).lower(*self._given).compile()

    def __call__(self) -> np.ndarray[Any, Any]:
        """Train; returns each update's negative log-likelihood in nats, (updates,), before it for each model."""
        _, nats = self._compiled(*self._given)
        return np.asarray(nats)
