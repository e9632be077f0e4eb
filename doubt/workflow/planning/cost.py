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


def module_seconds(task: Task, size: int, seconds: float, updates: int) -> float:
    """Expected seconds of one training of a module on a (task, size).

    Args:
        seconds: what an update of `TIMED` symbols was found to take.
    """
    return updates * seconds * max(_longest(task, size) / TIMED, 0.5)


def training_seconds(task: Task, size: int, arguments: dict[str, Any], updates: int, engine: str = "fairseq") -> float:
    """Expected seconds of one training of a learner of fairseq's on a (task, size)."""
    family = next((name for name in RATES if str(arguments["arch"]).startswith(name)), None)
    base, per_symbol = RATES[family] if family else UNKNOWN
    faster = FUSED[family] if engine == "fused" and family else 1.0
    return updates * (base + per_symbol * _longest(task, size)) / faster


def memory_mb(engine: str, on_gpu: bool, n_trainings: int, weights: int = 0) -> int:
    """Memory that a job asks for, in MB; with a GPU that of its machine, which CUDA and saved states need.

    On the CPU jobs of the smoke preset peak at 260 to 730 MB: models are trained one after another, or few at once. On
    a GPU `fused` trains up to a thousand at once, and saves the weights of all, 16 MB for the largest of the paper's.
    A module of so many `weights` is trained with as many gradients and twice as many moments, of 4 bytes each.
    """
    of_module = 20 * weights // 1_000_000
    if not on_gpu:
        return 2000 + of_module
    return 4000 + (20 * min(n_trainings, 1024) if engine != "fairseq" else 0) + of_module


@cache
def _longest(task: Task, size: int) -> int:
    """Symbols of the longest example of T, source and target with their `</s>`."""
    return max(len(source) + len(target) for source, target in task.training_set(size)) + 2
