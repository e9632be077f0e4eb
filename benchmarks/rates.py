"""Measure what updates cost on this machine, and print the rates that `indoubt/engines/registry.py` has.

    OMP_NUM_THREADS=1 python benchmarks/rates.py                 all engines and learners, some ten minutes
    OMP_NUM_THREADS=1 python benchmarks/rates.py --only fused    one engine

For each engine and kind of learner the shapes below are timed (CPU seconds of an update: those of more updates less
those of fewer), and the rates are those whose sums come nearest to all of them, each by its own share.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from scipy.optimize import minimize, nnls

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.data.datasets import dataset_in_memory
from indoubt.data.task import load_tasks
from indoubt.engines.registry import ENGINES
from indoubt.learner import Learner
from indoubt.learners.fairseq_definitions import resolve
from indoubt.training import Protocol
from indoubt.workflow.cost import batch_of, kind_of, work_of
from indoubt.workflow.required_trainings import Cell

ROOT = Path(__file__).resolve().parent.parent
#: (task, size, block): T's and late blocks, short and long.
SHAPES = [
    *[("add-or-mul", 5, 0), ("add-or-mul", 20, 0), ("hierar-or-linear", 4, 0), ("add-or-mul", 5, 5)],
    *[("count-or-mem", 10, 8), ("count-or-mem", 40, 19), ("oddone-or-linear-pcfg", 4, 0), ("comp-or-mem", 10, 6)],
]
LEARNERS = ("transformer", "lstm", "lstm-attention", "cnn")
#: CPU seconds that the updates take whose time is taken, about; and the fewest of them.
ENOUGH, FEWEST = 0.4, 1


def learner_of(name: str) -> Learner:
    """A learner of config.yaml."""
    return resolve(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["learners"][name], 1, None)


def seconds_per_update(engine: str, learner: Learner, task_name: str, size: int, block: int, seeds: int = 1) -> float:
    """CPU seconds of an update of one of some trainings, without their set-up: the median of three differences."""
    task = load_tasks()[task_name]
    candidate = next(iter(task.candidates))
    data = {candidate: dataset_in_memory(task, size, candidate)}

    def spent(updates: int) -> float:
        of_updates = replace(learner, updates=updates)
        cell = Cell(data, len(task.training_inputs(size)), task.block_size_at(size), of_updates, Protocol())
        trainings = [cell.training(candidate, seed, block) for seed in range(1, seeds + 1)]
        chains = [[replace(training, scores=(), decodes=())] for training in trainings]
        started = time.process_time()
        list(ENGINES[engine].train_chains(chains, torch.device("cpu")))
        return (time.process_time() - started) / seeds

    more, about = FEWEST, 0.0
    while about * seeds < ENOUGH / 2:
        more *= 2
        about = spent(1 + more) - spent(1)
    return median((spent(1 + more) - spent(1)) / more for _ in range(3))


def measured(engine: str, names: list[str]) -> Iterator[tuple[list[float], float]]:
    """Of each learner and shape: numbers read, operations and weights, and the seconds of an update."""
    for name in names:
        learner = learner_of(name)
        for task, size, block in SHAPES:
            seconds = seconds_per_update(engine, learner, task, size, block)
            arguments = learner.arguments
            work = work_of(arguments, batch_of(load_tasks()[task], size, block), ENGINES[engine].padded)
            print(
                f"  {engine} {name} {task}/{size}, block {block}: {1000 * seconds:.3f} ms", file=sys.stderr, flush=True
            )
            yield [1.0, work.reads, work.operations, work.weights], seconds


def fitted(features: NDArray[np.float64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rates, none below 0, whose sums are by the least factors away from all seconds."""
    largest = features.max(0).clip(1e-9)
    start = nnls(features / seconds[:, None] / largest, np.ones(len(seconds)))[0] / largest
    least = 1e-6 * seconds.mean() / features.mean(0).clip(1e-9)

    def away(logarithms: NDArray[np.float64]) -> float:
        return float(np.square(np.log(features @ np.exp(logarithms) / seconds)).mean())

    found = np.exp(minimize(away, np.log(np.maximum(start, least)), method="Nelder-Mead", options={"maxiter": 20000}).x)
    return np.where(found > 10 * least, found, 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["fused", "fairseq"])
    parser.add_argument("--learners", nargs="+", default=LEARNERS, choices=LEARNERS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kinds: dict[str, list[str]] = {}
    for name in arguments.learners:
        kinds.setdefault(kind_of(learner_of(name).arguments), []).append(name)
    for engine in [arguments.only] if arguments.only else ["fused", "fairseq"]:
        for kind, names in kinds.items():
            rows, seconds = zip(*measured(engine, names), strict=True)
            found = fitted(np.array(rows), np.array(seconds))
            ratios = np.array(rows) @ found / seconds
            print(f'  {engine}: "{kind}": Rates({", ".join(f"{rate:.2e}" for rate in found)}),', end="")
            print(f"  # {ratios.min():.2f} to {ratios.max():.2f} of {len(ratios)} shapes", flush=True)


if __name__ == "__main__":
    main()
