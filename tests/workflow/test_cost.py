"""What a training is expected to cost: by what it has to compute, and as measured in the same run."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from benchmarks.rates import learner_of, seconds_per_update
from benchmarks.together import definitions
from indoubt.data.task import load_tasks
from indoubt.engines.registry import ENGINES
from indoubt.learner import TriedOut
from indoubt.learners.module_definitions import resolve_module
from indoubt.training import Protocol
from indoubt.workflow.cost import (
    batch_of,
    decoding_seconds,
    memory_mb,
    module_update_seconds,
    update_seconds,
    work_of,
)

TASKS, PRESET = load_tasks(), definitions()
#: Shapes whose updates take from twenty microseconds to tens of milliseconds.
SAMPLE = [("add-or-mul", 5, 0), ("hierar-or-linear", 4, 0), ("add-or-mul", 5, 5), ("count-or-mem", 40, 9)]


def of_update(
    task: str, size: int, name: str, engine: str = "fused", block: int = 0, batch: int | None = None
) -> float:
    return update_seconds(learner_of(name).arguments, batch_of(TASKS[task], size, block, batch), engine)


def test_what_a_batch_holds() -> None:
    one = batch_of(TASKS["add-or-mul"], 5)
    assert (one.examples, one.source, one.target, one.symbols) == (1, 6, 11, 17)
    assert batch_of(TASKS["compo2"], 36).symbols == 136 * (2 + 3 + 2)
    assert batch_of(TASKS["scan-jump"], 1, 0, 64).symbols == 64 * (9 + 48 + 2)
    # H of add-or-mul/5 is 3, 4, 6, 7, 8 and 2 symbols long, one in a block; `mem` gives 10 symbols to each
    two = batch_of(TASKS["add-or-mul"], 5, 6)
    assert two.examples == 7 and two.source == pytest.approx((6 + 3 + 4 + 5 + 7 + 8 + 9) / 7)


def test_operations_of_a_transformer_by_hand() -> None:
    """One example, one layer, width 16, hidden size 512, 8 heads; 3 passes, 2 operations per multiplication."""
    source, target = 6, 11
    of_source = source * (4 * 16 * 16 + 2 * 16 * 512) + source * 2 * 16 * 16
    of_target = target * (6 * 16 * 16 + 2 * 16 * 512)
    scores = source * source + target * target + target * source
    by_hand = 3 * (2 * (of_source + of_target) + scores * (4 * 16 + 30 * 8))
    arguments = learner_of("transformer").arguments
    assert work_of(arguments, batch_of(TASKS["add-or-mul"], 5), False).operations == pytest.approx(by_hand)
    deeper = {**arguments, "encoder_layers": 2, "decoder_layers": 2}
    assert work_of(deeper, batch_of(TASKS["add-or-mul"], 5), False).operations == pytest.approx(2 * by_hand)


def test_layers_of_a_cnn_may_be_a_product_as_fairseqs_default_is() -> None:
    batch, arguments = batch_of(TASKS["add-or-mul"], 5), learner_of("cnn").arguments
    five, long = ({**arguments, "encoder_layers": layers} for layers in ("[(512, 3)] * 5", str([(512, 3)] * 5)))
    assert work_of(five, batch, False) == work_of(long, batch, False)
    assert work_of(five, batch, False).operations > 2 * work_of(arguments, batch, False).operations


def test_late_blocks_larger_batches_and_depth_cost_more() -> None:
    assert of_update("count-or-mem", 40, "transformer", block=19) > 15 * of_update("count-or-mem", 40, "transformer")
    assert of_update("question", 384, "transformer") > 2 * of_update("question", 96, "transformer")
    drawn = of_update("scan-jump", 1, "lstm", batch=64)
    assert drawn < of_update("scan-jump", 1, "lstm", batch=256) < of_update("scan-jump", 1, "lstm") / 10
    assert {name: len(engine.rates) for name, engine in ENGINES.items() if engine.rates} == {"fused": 3, "fairseq": 3}
    tried = TriedOut(100, None, [], 1.0, 3.8)
    assert module_update_seconds(tried, batch_of(TASKS["add-or-mul"], 5)) == 1.0
    assert module_update_seconds(tried, batch_of(TASKS["hierar-or-linear"], 4)) == pytest.approx(
        12 / 17 * (1 + 3 * 0.4)
    )
    assert decoding_seconds(TASKS["scan-jump"], 1, "fused") > 60 * decoding_seconds(TASKS["add-or-mul"], 5, "fused")


@pytest.mark.parametrize(("engine", "name"), [("fused", "transformer"), ("fairseq", "transformer"), ("fused", "lstm")])
def test_costs_are_those_measured_in_the_same_run(engine: str, name: str) -> None:
    """Up to one factor, which another machine or a busy one makes, and a ledger corrects."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    learner = replace(learner_of(name), updates=1)
    sample = SAMPLE if name == "transformer" else SAMPLE[:3]
    expected = [of_update(*s[:2], name, engine, s[2]) for s in sample]
    took = [seconds_per_update(engine, learner, *s) for s in sample]
    if not alike(expected, took):  # something else may have driven one of them from the cache: the faster of two counts
        took = [min(before, seconds_per_update(engine, learner, *s)) for before, s in zip(took, sample, strict=True)]
    torch.set_num_threads(threads)
    assert alike(expected, took), [e / t for e, t in zip(expected, took, strict=True)]


def alike(expected: list[float], took: list[float]) -> bool:
    """Whether all ratios are within 1.5 of their geometric mean."""
    ratios = [e / t for e, t in zip(expected, took, strict=True)]
    factor = math.prod(ratios) ** (1 / len(ratios))
    return all(1 / 1.5 < ratio / factor < 1.5 for ratio in ratios)


@pytest.mark.parametrize("name", ["decoder-nope", pytest.param("gru-64", marks=pytest.mark.long)])
def test_what_a_module_costs_is_what_it_was_timed_at(name: str) -> None:
    """A full lockstep's updates, per model."""
    resolved = resolve_module(PRESET[name], 1, None, Protocol(), None, (20, 40))
    expected, took = [], []
    for task, size, block in [("add-or-mul", 5, 0), ("hierar-or-linear", 4, 0), ("first-last-majority-parity", 5, 0)]:
        expected.append(module_update_seconds(resolved.tried, batch_of(TASKS[task], size, block)))
        took.append(seconds_per_update("modules", resolved.learner, task, size, block, seeds=24))
    ratios = [e / t for e, t in zip(expected, took, strict=True)]
    assert alike(expected, took), ratios
    assert 0.4 < math.prod(ratios) ** (1 / len(ratios)) < 2.5


def test_memory_grows_with_the_batch() -> None:
    few, many = (batch_of(TASKS["scan-jump"], 1, 0, size).symbols for size in (64, None))
    assert memory_mb("fairseq", False, 1, few) < 3000
    assert memory_mb("fairseq", False, 1, many) > 20_000
