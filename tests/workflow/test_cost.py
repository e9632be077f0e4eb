"""What a training is expected to cost: more with more examples, and what was measured within a factor of two."""

from __future__ import annotations

import pytest

from doubt.data.task import load_tasks
from doubt.workflow.planning.cost import batch_symbols, memory_mb, training_seconds

TASKS = load_tasks()


def seconds(task: str, size: int, arch: str, engine: str = "fused", batch_size: int | None = None) -> float:
    """Of 1,000 updates."""
    return training_seconds(TASKS[task], size, {"arch": arch}, 1000, engine, batch_size)


def test_symbols_of_a_batch() -> None:
    assert batch_symbols(TASKS["add-or-mul"], 5, None) == 1 * (5 + 10 + 2)
    assert batch_symbols(TASKS["compo2"], 36, None) == 136 * (2 + 3 + 2)
    assert batch_symbols(TASKS["scan-jump"], 1, 64) == 64 * (9 + 48 + 2)


@pytest.mark.parametrize(
    ("task", "size", "arch", "engine", "measured"),
    [
        ("oddone-or-linear-pcfg", 4, "transformer", "fused", 2.7),
        ("oddone-or-linear-pcfg", 4, "lstm", "fused", 80.0),
        ("scan-add-jump", 1, "lstm", "fairseq", 320.0),
        ("scan-add-jump", 1, "fconv", "fused", 245.0),
        ("compo2-2funcs-constant-prop", 6, "transformer", "fairseq", 20.0),
    ],
)
def test_large_T_costs_what_was_measured(task: str, size: int, arch: str, engine: str, measured: float) -> None:
    """Seconds of 1,000 updates, from the rates per symbol that were measured on batches of these shapes."""
    assert measured / 2 < seconds(task, size, arch, engine) < measured * 2


def test_cost_grows_with_T_and_with_the_batch() -> None:
    assert seconds("question", 384, "transformer") > 2 * seconds("question", 96, "transformer")
    assert seconds("scan-jump", 1, "lstm", batch_size=64) < seconds("scan-jump", 1, "lstm", batch_size=256)
    assert seconds("scan-jump", 1, "lstm", batch_size=256) < seconds("scan-jump", 1, "lstm") / 10


def test_memory_grows_with_the_batch() -> None:
    few, many = (batch_symbols(TASKS["scan-jump"], 1, size) for size in (64, None))
    assert memory_mb("fairseq", False, 1, few) < 3000
    assert memory_mb("fairseq", False, 1, many) > 20_000
