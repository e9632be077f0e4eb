"""What a training costs, before it is run: expected seconds on one CPU core.

Counted is what an update has to compute (`work.py`): what a recurrence reads, operations, weights. What each
takes was measured on one core of a common CPU by `benchmarks/rates.py`, which prints the table below for another
machine. The expectation sizes jobs and time limits and says how long is left. Rates that a ledger has measured correct
it by a factor in estimates (`standing.estimate`), never in job sizes: these must not change from one run to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from indoubt.data.task import Task
from indoubt.learners.tried import EIGHT, TriedOut
from indoubt.training import Learner
from indoubt.workflow.planning.cells import CellPlan
from indoubt.workflow.planning.work import Batch, Work, batch_of, work_of


@dataclass(frozen=True)
class Rates:
    """Seconds of an update, and of each number read, operation and weight of its work."""

    update: float
    read: float
    operation: float
    weight: float

    def seconds(self, work: Work) -> float:
        return self.update + self.read * work.reads + self.operation * work.operations + self.weight * work.weights


#: By engine and kind of learner, at hidden size 512; beside each, how near it came.
RATES = {
    ("fused", "transformer"): Rates(2.2e-05, 0, 1.44e-11, 0),  # 0.90 to 1.10 of what 8 shapes took
    ("fused", "lstm"): Rates(0, 1.32e-10, 1.16e-11, 1.11e-09),  # 0.87 to 1.10 of 9
    ("fused", "fconv"): Rates(5.6e-03, 0, 1.31e-11, 0),  # 0.94 to 1.06 of 8
    ("fairseq", "transformer"): Rates(6.9e-03, 0, 9.87e-11, 0),  # 0.76 to 1.23 of 8
    ("fairseq", "lstm"): Rates(0, 1.62e-09, 1.48e-11, 1.11e-09),  # 0.65 to 1.64 of 16
    ("fairseq", "fconv"): Rates(2.6e-02, 0, 1.17e-11, 0),  # 0.89 to 1.15 of 8
}
#: What an architecture of another kind is taken for.
UNKNOWN = Rates(0.05, 0, 2e-11, 0)
#: Seconds that a symbol of an output takes to decode, of all sources that are decoded together.
DECODED = {"fairseq": 0.005, "fused": 0.001, "modules": 0.001}
#: Sources that are decoded together.
TOGETHER = 128
#: Symbols, `</s>` included, of the example with which modules are timed: T of add-or-mul/5.
TIMED = 17
#: MB per symbol of a batch, by engine: measured up to 4,600 symbols (`fused`: 33 Transformers at a time).
MB_PER_SYMBOL = {"fairseq": 0.03, "fused": 0.12}


def kind_of(arguments: dict[str, Any]) -> str | None:
    """The kind of one of fairseq's architectures, if it has rates."""
    return next((kind for kind in ("transformer", "fconv", "lstm") if str(arguments["arch"]).startswith(kind)), None)


def update_seconds(arguments: dict[str, Any], batch: Batch, engine: str) -> float:
    """Expected seconds of an update of one of fairseq's learners."""
    kind = kind_of(arguments)
    rates = RATES[engine, kind] if kind else UNKNOWN
    return rates.seconds(work_of(arguments, batch, padded=engine == "fairseq"))


def module_update_seconds(tried: TriedOut, batch: Batch) -> float:
    """The same of a module: in proportion to the longest example, and by how much more eight take than one."""
    longest = batch.longest_source + batch.longest_target
    per_example = (tried.seconds_of_eight - tried.seconds) / (EIGHT - 1)
    return longest / TIMED * (tried.seconds + max(per_example, 0.0) * (batch.examples - 1))


def decoding_seconds(task: Task, size: int, engine: str) -> float:
    """Expected seconds of decoding all test inputs."""
    together = -(-len(task.test_inputs(size)) // TOGETHER)
    return together * DECODED[engine] * batch_of(task, size, 1).longest_target


def memory_mb(engine: str, on_gpu: bool, n_trainings: int, symbols: int = 0, weights: int = 0) -> int:
    """Memory that a job asks for, in MB, whose batches have so many symbols; with a GPU that of its machine, which CUDA
    and saved states need.

    On the CPU jobs of the smoke preset peak at 260 to 730 MB: models are trained one after another, or few at once. On
    a GPU `fused` trains up to a thousand at once, and saves the weights of all, 16 MB for the largest of the paper's.
    A module of so many `weights` is trained with as many gradients and twice as many moments, of 4 bytes each.
    """
    of_module = 20 * weights // 1_000_000
    if not on_gpu:
        return 2000 + of_module + round(MB_PER_SYMBOL.get(engine, max(MB_PER_SYMBOL.values())) * symbols)
    return 4000 + (20 * min(n_trainings, 1024) if engine != "fairseq" else 0) + of_module


@dataclass(frozen=True)
class Costs:
    """What the trainings of some cells are expected to cost; `engines` and `tried` are by learner."""

    tasks: Mapping[str, Task]
    learners: Mapping[str, Learner]
    engines: Mapping[str, str]
    tried: Mapping[str, TriedOut]

    def training_seconds(self, cell: CellPlan, block: int, decoded: bool = False) -> float:
        """Expected seconds of one training, on what has been sent up to a block."""
        learner, batch = self.learners[cell.learner], self.batch(cell, block)
        if cell.learner in self.tried:
            update = module_update_seconds(self.tried[cell.learner], batch)
        else:
            update = update_seconds(learner.arguments, batch, self.engines[cell.learner])
        return learner.updates * update + (self.decoding_seconds(cell) if decoded else 0.0)

    def decoding_seconds(self, cell: CellPlan) -> float:
        """Expected seconds of decoding all test inputs."""
        return decoding_seconds(self.tasks[cell.task], cell.size, self.engines[cell.learner])

    def batch(self, cell: CellPlan, block: int) -> Batch:
        """What an update goes through."""
        return batch_of(self.tasks[cell.task], cell.size, block, self.learners[cell.learner].batch_size)
