"""Speed of the engines, side by side in one run.

    python benchmarks/engines.py --task add-or-mul --size 5 --learner transformer --seeds 64 --updates 200 --json

Trains on T, or on T and `--block` blocks of the hold-out, with `--seeds` seeds on engine `fused`, and a few of these
seeds on engine `fairseq` before, between and after, so that both meet the same machine. Several sizes, blocks and
numbers of seeds show how cost grows: `--seeds 1 4 16 64`, `--size 10 20 30 40`, `--block 0 4 9 19`. With
`--against jax` the same is trained in JAX too, one alone and up to 16 together (benchmarks/in_jax.py). A learner of
config.yaml trains on engine `modules`, all seeds together and a few alone. Seconds are of CPU time, of a GPU
on the clock. Needs torch, numpy and fairseq only; for learners of the preset PyYAML and what they need.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# As engine `modules` sets it when it is imported, which is after the first products here.
os.environ.setdefault("MKL_CBWR", "AUTO")

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import torch

from benchmarks.limits import Rates, timed, work_of_an_update
from benchmarks.together import definitions, measure_together
from indoubt.data.datasets import dataset_in_memory
from indoubt.data.task import FPA, load_tasks
from indoubt.engines.devices import device_name
from indoubt.engines.fairseq import engine as reference
from indoubt.engines.fused.engine import train_chains
from indoubt.learner import Learner
from indoubt.learners.fairseq_definitions import resolve
from indoubt.training import Protocol, Score, Training
from indoubt.workflow.required_trainings import Cell

_OPTIMISATION = {"dropout": 0.5, "optimizer": "adam", "lr": 1e-3, "lr_scheduler": "inverse_sqrt"}
_OPTIMISATION |= {"warmup_init_lr": 1e-5, "warmup_updates": 1000}
_SIZES = {f"{side}_{what}": n for side in ("encoder", "decoder") for what, n in (("embed_dim", 16), ("layers", 1))}
_LSTM = _SIZES | {"arch": "lstm", "encoder_hidden_size": 512, "decoder_hidden_size": 512}
_TRANSFORMER = _SIZES | {"arch": "transformer"}
_TRANSFORMER |= {f"{side}_ffn_embed_dim": 512 for side in ("encoder", "decoder")}
_TRANSFORMER |= {f"{side}_attention_heads": 8 for side in ("encoder", "decoder")}
#: The learners of config.yaml, which cannot be read where YAML is not installed.
LEARNERS: dict[str, dict[str, Any]] = {
    "lstm-attention": _LSTM | {"decoder_attention": "True"},
    "lstm": _LSTM | {"decoder_attention": "False"},
    "cnn": _SIZES
    | {"arch": "fconv", "decoder_attention": "[True]", "encoder_layers": "[(512, 3)]", "decoder_layers": "[(512, 3)]"},
    "transformer": _TRANSFORMER,
    "transformer-joint": _TRANSFORMER | {"cross_self_attention": True},
}
SIDES = ("source", "target")
#: Learners of engine `modules`.
PRESET = definitions()


def trainings_of(
    task: str, size: int, learner: Learner, seeds: Sequence[int], block: int = 0, candidate: str | None = None
) -> list[Training]:
    """A task's trainings on T, or on T and so many blocks of a candidate's hold-out, each with its own outputs scored.

    Nothing is decoded: after few updates a learner knows no end, and 200 symbols a source would outweigh the training.
    """
    definition = load_tasks()[task]
    name = candidate or next(iter(definition.candidates))
    data = dataset_in_memory(definition, size, name if block else FPA)
    n_training, protocol = len(definition.training_inputs(size)), Protocol()
    cell = Cell({name: data}, n_training, definition.block_size_at(size), learner, protocol)
    trainings = [cell.training(name, seed, block) for seed in seeds]
    return [replace(each, scores=(Score(each.examples),), decodes=()) for each in trainings]


def measure(
    arguments: argparse.Namespace, name: str, size: int, block: int, seeds: int, device: torch.device
) -> dict[str, Any]:
    """One row: both engines on one learner and shape; of a learner of the preset, alone and together."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    about = {
        "task": arguments.task,
        "size": size,
        "learner": name,
        "block": block,
        "seeds": seeds,
        "updates": arguments.updates,
        "device": device_name(device),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
    }
    if name in PRESET:
        given = partial(trainings_of, arguments.task, size, block=block, candidate=arguments.candidate)
        row = measure_together(PRESET[name], arguments.updates, seeds, given, timed, device)
        return about | row | {"limit_share": None, "peak_megabytes": _peak_megabytes(device)}
    learner = resolve(LEARNERS[name] | _OPTIMISATION, arguments.updates, None)
    trainings = trainings_of(arguments.task, size, learner, range(1, seeds + 1), block, arguments.candidate)
    examples = [len(trainings[0].examples), *(max(len(getattr(e, s)) for e in trainings[0].examples) for s in SIDES)]
    rates, work = Rates.measured(device), work_of_an_update(trainings, device)
    slices = 3  # the fused engine in as many parts, with the reference before, between and after
    parts = [trainings[part::slices] for part in range(slices)] if len(trainings) >= 128 * slices else [trainings]
    slow, fast = [], 0.0
    for place in range(len(parts) + 1):
        one = trainings[place % len(trainings)]
        slow.append(timed(lambda one=one: list(reference.train_chain([one], device)), device))  # type: ignore[misc]
        if place < len(parts):
            fast += timed(lambda part=parts[place]: list(train_chains([[each] for each in part], device)), device)  # type: ignore[misc]
    seconds = fast / len(trainings)
    if arguments.against == "jax":
        about |= measure_in_jax(trainings, seconds)
    return about | {
        "shape": "x".join(map(str, examples)),
        "seconds_reference": statistics.median(slow),
        "spread_reference": [min(slow), max(slow)],
        "n_reference": len(slow),
        "seconds_fused": seconds,
        "ratio": statistics.median(slow) / seconds,
        "limit_share": work.seconds(rates) * arguments.updates / seconds,
        "megaflop_per_update": work.operations / 1e6,
        "product_megabytes_per_update": work.product_bytes / 1e6,
        "adam_megabytes_per_update": work.adam_bytes / 1e6,
        "gigaflop_per_second": rates.operations / 1e9,
        "cache_gigabytes_per_second": rates.cache / 1e9,
        "memory_gigabytes_per_second": rates.memory / 1e9,
        "peak_megabytes": _peak_megabytes(device),
    }


def measure_in_jax(trainings: Sequence[Training], seconds_fused: float) -> dict[str, Any]:
    """CPU seconds per training in JAX by how many are trained together, without compiling; the ratio is the best one's.

    Of two trainings after a first one the faster counts, in favour of JAX.
    """
    from benchmarks.in_jax import InJax

    compiling, seconds = 0.0, {}
    for together in sorted({1, min(16, len(trainings))}):
        started = time.process_time()
        train = InJax(trainings[:together])
        compiling += time.process_time() - started
        train()
        seconds[together] = min(timed(train, torch.device("cpu")) for _ in range(2)) / together
    return {"compiling_jax": compiling, "seconds_jax": seconds, "ratio_jax": min(seconds.values()) / seconds_fused}


def _peak_megabytes(device: torch.device) -> float:
    """Memory that the process, or the GPU, has needed at most so far."""
    of_gpu = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return (of_gpu or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) / 1e6


def main() -> None:
    """Measure and print what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="add-or-mul", choices=sorted(load_tasks()))
    parser.add_argument("--size", type=int, nargs="+", default=[5])
    parser.add_argument("--learner", nargs="+", default=list(LEARNERS), choices=[*LEARNERS, *PRESET])
    parser.add_argument("--block", type=int, nargs="+", default=[0], help="train on T and so many blocks sent")
    parser.add_argument("--candidate", help="whose outputs are sent; by default the task's first")
    parser.add_argument("--seeds", type=int, nargs="+", default=[64], help="models trained on fused, or together")
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--device", default="cpu", help="cpu, on one thread, or cuda")
    parser.add_argument("--against", choices=["jax"], help="beside fairseq, on the CPU: " + ", ".join(LEARNERS))
    parser.add_argument("--json", action="store_true", help="one JSON object per row instead of a table")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    if arguments.against == "jax":
        if device.type != "cpu" or not set(arguments.learner) <= set(LEARNERS):
            parser.error(f"--against jax is for the CPU and the learners {', '.join(LEARNERS)}")
        if importlib.util.find_spec("jax") is None:
            parser.error("JAX is not installed; the head of benchmarks/in_jax.py says how it is put beside this")
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    shown = ["learner", "size", "block", "seeds", "seconds_reference", "seconds_fused", "ratio", "limit_share"]
    shown += ["ratio_jax"] if arguments.against == "jax" else []
    if not arguments.json:
        print("  ".join(f"{column:>17}" for column in shown))
    for shape in itertools.product(arguments.learner, arguments.size, arguments.block, arguments.seeds):
        row = measure(arguments, *shape, device)
        cells = (f"{row[column]:.4g}" if isinstance(row[column], float) else str(row[column]) for column in shown)
        print(json.dumps(row) if arguments.json else "  ".join(f"{cell:>17}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
