"""What a training costs, before it is run: expected seconds on one CPU core.

The rates come from trainings of the reference engine at hidden size 512 on one thread of a common CPU; they are there
to size jobs and time limits and to say how long is left, and are good within a factor of two. Rates that a ledger has
measured are for estimates (`standing.estimate`), never for job sizes: these must not change from one run to the next.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from doubt.data.task import Task

#: fairseq architecture: seconds per update, and seconds per update and symbol of the longest source plus target.
RATES = {"transformer": (0.0085, 0.00004), "fconv": (0.028, 0.0008), "lstm": (0.028, 0.0025)}
#: What an architecture without a measured rate is taken for.
UNKNOWN = (0.05, 0.003)
#: Symbols, `</s>` included, of the example with which modules are timed: T of add-or-mul/5.
TIMED = 17
#: How many times as fast as the reference engine `fused` is with a dozen seeds on one CPU thread, by architecture.
FUSED = {"transformer": 12.0, "fconv": 3.0, "lstm": 3.5}
#: Seconds per update and symbol of a batch, padding included, beyond what the rates above hold: by architecture, of
#: `fairseq` and of `fused`. Measured at 1 to 236 examples (32 to 1,472 symbols), hidden size 512.
PER_SYMBOL = {"transformer": (9e-6, 4.2e-6), "fconv": (1.2e-4, 1.2e-4), "lstm": (1.35e-4, 1.15e-4)}
#: Symbols of a batch that the rates above hold.
HELD = 120
#: MB per symbol of a batch, by engine: measured up to 4,600 symbols (`fused`: 33 Transformers at a time).
MB_PER_SYMBOL = {"fairseq": 0.03, "fused": 0.12}


def module_seconds(task: Task, size: int, seconds: float, updates: int, batch_size: int | None = None) -> float:
    """Expected seconds of one training of a module on a (task, size).

    Args:
        seconds: what an update of `TIMED` symbols was found to take: in proportion to the longest example, and where a
            batch is large, to its symbols.
    """
    symbols = batch_symbols(task, size, batch_size)
    return updates * seconds * max(_longest(task, size) / TIMED, symbols / HELD, 0.5)


def training_seconds(
    task: Task,
    size: int,
    arguments: dict[str, Any],
    updates: int,
    engine: str = "fairseq",
    batch_size: int | None = None,
) -> float:
    """Expected seconds of one training of a learner of fairseq's on a (task, size)."""
    family = next((name for name in RATES if str(arguments["arch"]).startswith(name)), None)
    base, per_symbol = RATES[family] if family else UNKNOWN
    faster = FUSED[family] if engine == "fused" and family else 1.0
    beyond = max(0, batch_symbols(task, size, batch_size) - HELD)
    per_batch_symbol = PER_SYMBOL[family][engine == "fused"] if family else max(slow for slow, _ in PER_SYMBOL.values())
    return updates * ((base + per_symbol * _longest(task, size)) / faster + per_batch_symbol * beyond)


@cache
def batch_symbols(task: Task, size: int, batch_size: int | None) -> int:
    """Symbols in a batch of T, padding and `</s>` included: of all examples, or of so many that are drawn."""
    sources, targets = zip(*task.training_set(size), strict=True)
    examples = len(sources) if batch_size is None else batch_size
    return examples * (max(map(len, sources)) + max(map(len, targets)) + 2)


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


@cache
def _longest(task: Task, size: int) -> int:
    """Symbols of the longest example of T, source and target with their `</s>`."""
    return max(len(source) + len(target) for source, target in task.training_set(size)) + 2
