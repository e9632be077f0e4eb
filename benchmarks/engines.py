"""Speed of the engines, side by side in one run.

    python benchmarks/engines.py --task add-or-mul --size 5 --learner transformer --seeds 64 --updates 200 --json

Trains on T with `--seeds` seeds on engine `fused`, and a few of these seeds on engine `fairseq` before, between and
after, so that both meet the same machine. A learner of presets/learners.yaml trains on engine `modules`, all seeds
together and a few alone. Needs torch, numpy and fairseq only; for learners of the preset PyYAML and what they need.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
# As engine `modules` sets it when it is imported, which is after the first products here.
os.environ.setdefault("MKL_CBWR", "AUTO")

import doubt.data.compat  # noqa: F401  (must come before fairseq)

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.together import definitions, measure_together
from doubt.data.binary import binarize, load_dataset
from doubt.data.task import FPA, load_tasks
from doubt.data.text import write_dataset
from doubt.data.vocabulary import symbols_of
from doubt.engines.fused.arrays import kernels
from doubt.engines.fused.arrays.batch import shape_of
from doubt.engines.fused.engine import train_many
from doubt.engines.fused.lockstep import Lockstep
from doubt.engines.reference import engine as reference
from doubt.learners.definitions import resolve
from doubt.training import Learner, Protocol, Score, Training

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
#: Learners of engine `modules`.
PRESET = definitions()


def trainings_of(task: str, size: int, learner: Learner, seeds: Sequence[int]) -> list[Training]:
    """A task's trainings on T, each with T's outputs to be scored.

    Nothing is decoded: after few updates a learner knows no end, and 200 symbols a source would outweigh the training.
    """
    definition = load_tasks()[task]
    with tempfile.TemporaryDirectory() as folder:
        text, binary = Path(folder) / "text", Path(folder) / "binary"
        write_dataset(definition, size, FPA, text)
        binarize(text, binary)
        data = load_dataset(binary)
    symbols = symbols_of(data.source_dictionary), symbols_of(data.target_dictionary)
    score = (Score(data.examples),)
    return [Training(learner, Protocol(), seed, *symbols, (data.examples,), None, score) for seed in seeds]


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds that some work takes, the device's included."""
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


@dataclass
class Work:
    """What one update of one model must do at least: operations, and bytes that go through the cache or through memory.

    Products read and write their operands, each once per product; a weight that is used at every step of a recurrence
    comes from the cache if it fits. Adam reads and writes weights and moments, which come from memory.
    """

    operations: float = 0.0
    product_bytes: float = 0.0
    adam_bytes: float = 0.0

    def seconds(self, rates: Rates) -> float:
        """The least time that this takes."""
        moving = self.product_bytes / rates.cache + self.adam_bytes / rates.memory
        return max(moving, self.operations / rates.operations)


class TorchWork(TorchDispatchMode):
    """Counts the work of torch's products and of its optimizer."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        result = operation(*arguments, **(options or {}))
        name = operation.overloadpacket.__name__
        if name in ("bmm", "baddbmm", "mm"):
            first, second = [x for x in arguments if isinstance(x, torch.Tensor)][-2:]
            self.work.product_bytes += _bytes((first, second, result))
            self.work.operations += 2 * first.numel() * second.size(-1)
        elif name == "_fused_adam_":  # weights and moments are written as well as read
            self.work.adam_bytes += _bytes(arguments[:4]) * 7 / 4
        return result


#: Operations of the C code's products, from the sizes that end their arguments; what is not here has none to speak of.
_OPERATIONS = {
    "multiply": lambda *sizes: 2 * math.prod(sizes[-3:]),
    "multiply_transposed": lambda *sizes: 2 * math.prod(sizes[-3:]),
    "adam_of_product": lambda *sizes: 2 * math.prod(sizes[-4:-1]),
    "feed_forward": lambda *sizes: 4 * math.prod(sizes),
    "feed_forward_backward": lambda *sizes: 8 * math.prod(sizes),
    "normed_linear": lambda *sizes: 2 * math.prod(sizes),
    "normed_linear_backward": lambda *sizes: 4 * math.prod(sizes),
}


@contextmanager
def kernel_work(work: Work) -> Iterator[None]:
    """Counts the work of the C code while it lasts; a learner must be built within it."""
    original = kernels.bound

    def counted(dtype: torch.dtype, name: str, *arguments: Any) -> Callable[[], None]:
        call = original(dtype, name, *arguments)
        sizes = [x for x in arguments if isinstance(x, int)]

        def count_and_call() -> None:
            if name == "adam_of_product":
                work.adam_bytes += 2 * _bytes(arguments[4:7])
            elif name in _OPERATIONS:
                work.product_bytes += _bytes(arguments)
            work.operations += _OPERATIONS.get(name, lambda *sizes: 0)(*sizes)
            call()

        return count_and_call

    kernels.bound = counted  # type: ignore[assignment]
    try:
        yield
    finally:
        kernels.bound = original


def _bytes(values: Any) -> int:
    """Bytes of all tensors in nested tuples and lists."""
    if isinstance(values, torch.Tensor):
        return values.numel() * values.element_size()
    return sum(map(_bytes, values)) if isinstance(values, tuple | list) else 0


@dataclass(frozen=True)
class Rates:
    """What one thread, or the GPU, can do at most, measured: bytes per second through memory and through the cache,
    operations per second."""

    memory: float
    cache: float
    operations: float

    @staticmethod
    def measured(device: torch.device) -> Rates:
        """A copy in memory; a matrix of 8 MB, as an LSTM has, times a vector, over and over; a large product.

        On the CPU the product is the faster one of torch's and ours, which may use wider registers.
        """
        source = torch.ones(64 * 2**20, device=device)
        target, large = torch.empty_like(source), torch.randn(2048, 2048, device=device)
        small, out = torch.randn(60, 2048, device=device), torch.empty(60, 2048, device=device)
        wide, vector = torch.randn(2048, 1024, device=device), torch.randn(1024, device=device)
        memory = 2 * source.numel() * 4 / _best(lambda: target.copy_(source), device)
        operations = 2 * 2048**3 / _best(lambda: torch.mm(large, large), device)
        if device.type != "cpu":  # hundreds of models do not fit into a GPU's cache
            return Rates(memory, memory, operations)
        cache = wide.numel() * 4 / _best(lambda: torch.mv(wide, vector), device)
        if kernels.there_are(wide):
            ours = kernels.bound_product(vector[None], wide.mT, out[:1])
            cache = max(cache, wide.numel() * 4 / _best(ours, device))
            ours = kernels.bound_product(small, large, out)
            operations = max(operations, 2 * small.numel() * 2048 / _best(ours, device))
        return Rates(memory, cache, operations)


def _best(work: Callable[[], object], device: torch.device) -> float:
    return min(timed(work, device) for _ in range(20))


def work_of_an_update(trainings: Sequence[Training], device: torch.device) -> Work:
    """The work of one update of one model."""
    work = Work()
    with kernel_work(work):
        lockstep = Lockstep(trainings[:1], shape_of(trainings[0].examples), device, 0)
        lockstep.update()
        work.operations = work.product_bytes = work.adam_bytes = 0.0
        with TorchWork(work):
            lockstep.update()
    return work


def measure(arguments: argparse.Namespace, name: str, size: int, device: torch.device) -> dict[str, Any]:
    """One row: both engines on one learner and size; of a learner of the preset, alone and together."""
    about = {
        "task": arguments.task,
        "size": size,
        "learner": name,
        "seeds": arguments.seeds,
        "updates": arguments.updates,
        "device": reference.device_name(device),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
    }
    if name in PRESET:
        given = partial(trainings_of, arguments.task, size)
        row = measure_together(PRESET[name], arguments.updates, arguments.seeds, given, timed, device)
        return about | row | {"limit_share": None, "peak_megabytes": _peak_megabytes(device)}
    learner = resolve(LEARNERS[name] | _OPTIMISATION, arguments.updates, None)
    trainings = trainings_of(arguments.task, size, learner, range(1, arguments.seeds + 1))
    rates, work = Rates.measured(device), work_of_an_update(trainings, device)
    slices = 3  # the fused engine in as many parts, with the reference before, between and after
    parts = [trainings[part::slices] for part in range(slices)] if len(trainings) >= 128 * slices else [trainings]
    slow, fast = [], 0.0
    for place in range(len(parts) + 1):
        one = trainings[place % len(trainings)]
        slow.append(timed(lambda one=one: list(reference.train_chain([one], device)), device))  # type: ignore[misc]
        if place < len(parts):
            fast += timed(lambda part=parts[place]: list(train_many(part, device)), device)  # type: ignore[misc]
    seconds = fast / len(trainings)
    return about | {
        "seconds_reference": statistics.median(slow),
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
    parser.add_argument("--seeds", type=int, default=64, help="models trained on engine fused, or together")
    parser.add_argument("--updates", type=int, default=200)
    parser.add_argument("--device", default="cpu", help="cpu, on one thread, or cuda")
    parser.add_argument("--json", action="store_true", help="one JSON object per row instead of a table")
    arguments = parser.parse_args()
    device = torch.device(arguments.device)
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    shown = ("learner", "size", "seeds", "seconds_reference", "seconds_fused", "ratio", "limit_share", "peak_megabytes")
    if not arguments.json:
        print("  ".join(f"{column:>17}" for column in shown))
    for name in arguments.learner:
        for size in arguments.size:
            row = measure(arguments, name, size, device)
            cells = (f"{row[column]:.4g}" if isinstance(row[column], float) else str(row[column]) for column in shown)
            print(json.dumps(row) if arguments.json else "  ".join(f"{cell:>17}" for cell in cells), flush=True)


if __name__ == "__main__":
    main()
