"""The learners in JAX that the benchmark compares with are fairseq's; only where JAX is installed."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from indoubt.data.datasets import dataset_in_memory
from indoubt.data.task import load_tasks
from indoubt.learners.fairseq_definitions import resolve
from indoubt.training import Protocol, Score, Training
from indoubt.workflow.required_trainings import Cell
from tests.shared.fused import train_many

pytest.importorskip("jax", reason="JAX is not installed; benchmarks/in_jax.py says how")

from benchmarks.engines import LEARNERS
from benchmarks.in_jax import InJax

UPDATES = 20
RATE = {"optimizer": "adam", "lr": 1e-3, "lr_scheduler": "inverse_sqrt", "warmup_init_lr": 1e-5, "warmup_updates": 200}


def trainings(name: str, updates: int, dropout: float) -> list[Training]:
    """Of two seeds, on T and one block of add-or-mul/5: two examples of different lengths."""
    task = load_tasks()["add-or-mul"]
    learner = resolve(LEARNERS[name] | RATE | {"dropout": dropout}, updates, None)
    cell = Cell({"mul": dataset_in_memory(task, 5, "mul")}, 1, 1, learner, Protocol())
    found = [cell.training("mul", seed, 1) for seed in (1, 2)]
    return [replace(each, scores=(Score(each.examples),), decodes=()) for each in found]


@pytest.mark.parametrize("name", LEARNERS)
def test_losses_are_the_engines(name: str) -> None:
    alone, together = (InJax(trainings(name, UPDATES, 0.0)[:n])() for n in (1, 2))
    assert alone.shape == (UPDATES,) and together.shape == (2, UPDATES)
    assert together[0] == pytest.approx(alone, rel=1e-3)
    before = trainings(name, UPDATES - 1, 0.0)
    for result, each in zip(train_many(before, torch.device("cpu")), before, strict=True):
        (nats,) = result.nats.values()
        row = next(place for place, one in enumerate(before) if one.key == result.key)
        assert together[row, -1] == pytest.approx(nats, rel=1e-3), each.seed


@pytest.mark.parametrize("name", LEARNERS)
def test_dropout_drops(name: str) -> None:
    first, second = (InJax(trainings(name, 3, dropout)[:1])() for dropout in (0.0, 0.5))
    assert first[0] != pytest.approx(second[0], rel=1e-3)
