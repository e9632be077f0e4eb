"""How many models share a lockstep, and what their batches are padded to."""

from __future__ import annotations

import pytest
import side_by_side as sides
import torch
from side_by_side import CPU, EQUAL_SIZES
from test_engine import training

from indoubt.engines.fused import engine
from indoubt.engines.fused.architectures import CPU_WEIGHTS, GPU_MODELS, canonical, models_together
from indoubt.engines.fused.batches import Shape, make_batch, shape_of

CUDA = torch.device("cuda")


def test_shapes_are_rounded_up_and_stay_so() -> None:
    for device, expected in ((CPU, Shape(5, 6, 12)), (CUDA, Shape(8, 8, 16))):
        rounded = canonical(Shape(5, 6, 11), device)
        assert rounded == expected
        assert canonical(rounded, device) == rounded


def test_on_the_cpu_models_share_the_cache_and_large_ones_are_alone() -> None:
    learner, shape = sides.learner("transformer"), Shape(1, 6, 12)
    assert models_together(learner, [1000] * 100, shape, CPU) == CPU_WEIGHTS // 100_000
    assert models_together(learner, [2048 * 512, 16], shape, CPU) == 1
    assert models_together(learner, [CPU_WEIGHTS // 1000] * 2000, shape, CPU) == 1


def test_on_a_gpu_models_share_its_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, shape = sides.learner("lstm-attention"), Shape(4, 8, 16)
    free = 10**9
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, free))
    few = models_together(learner, [4_000_000], shape, CUDA)
    assert 1 <= few <= free // (4_000_000 * 16)
    assert models_together(learner, [4_000_000], Shape(400, 8, 16), CUDA) < few
    free = 10**15
    assert models_together(learner, [4_000_000], shape, CUDA) == GPU_MODELS
    free = 0
    assert models_together(learner, [4_000_000], shape, CUDA) == 1


def test_a_batch_says_which_rows_are_active() -> None:
    batch = make_batch(EQUAL_SIZES, CPU, shape=Shape(4, 7, 9))
    assert shape_of(EQUAL_SIZES[0]) == Shape(3, 6, 7)
    assert batch.source.shape == (3, 4, 7)
    for t, n in enumerate(batch.active_sources):
        reached = (batch.source_lengths > t).any(0).nonzero().flatten().tolist()
        assert n == (max(reached) + 1 if reached else 0)
    for t, n in enumerate(batch.active_targets):
        reached = batch.target_mask[:, :, t].bool().any(0).nonzero().flatten().tolist()
        assert n == (max(reached) + 1 if reached else 0)
    assert batch.sentences.tolist() == [3, 3, 3]


def test_on_a_gpu_t_alone_is_padded_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """All seeds and candidates share T; what is trained on blocks as well is padded for larger locksteps."""
    monkeypatch.setattr(engine, "in_c", lambda learner, device: False)
    on_gpu = engine.Fused(CUDA)
    first, second = (training(sides.learner("lstm"), 1, block) for block in (0, 1))
    assert on_gpu.shape(first) == shape_of(first.examples)
    assert on_gpu.shape(second) == canonical(shape_of(second.examples), CUDA) != shape_of(second.examples)
