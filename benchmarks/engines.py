"""Speed of the two engines, side by side in one run.

    python benchmarks/engines.py --task add-or-mul --size 5 --learner transformer --seeds 64 --updates 200 --json

Trains on T with `--seeds` seeds on engine `fused`, and a few of these seeds on engine `fairseq` before, between and
after, so that both meet the same machine. Needs torch, numpy and fairseq only.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import doubt.compat  # noqa: F401  (must come before fairseq)

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from doubt.binary import binarize, load_dataset
from doubt.engines import reference
from doubt.engines.fused.batch import shape_of
from doubt.engines.fused.engine import train_many
from doubt.engines.fused.lockstep import Lockstep
from doubt.learners import resolve
from doubt.tasks import FPA, load_tasks
from doubt.text import write_dataset
from doubt.training import Learner, Protocol, Score, Training
from doubt.vocabulary import symbols_of

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


class ProductBytes(TorchDispatchMode):
    """Bytes that matrix products and the optimizer read and write, each once per operation.

    `vector_flops` are the operations of products with a vector, which torch's own counter passes over.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.vector_flops = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: tuple[Any, ...] = (), options: dict[str, Any] | None = None
    ) -> Any:
        result = operation(*arguments, **(options or {}))
        name = operation.overloadpacket.__name__
        if name in ("bmm", "baddbmm", "mm", "mv", "addmv"):
            operands = list(_tensors((arguments, result)))
            self.bytes += sum(x.numel() * x.element_size() for x in operands)
            if name in ("mv", "addmv"):
                self.vector_flops += 2 * max(x.numel() for x in operands)
        elif name == "_fused_adam_":  # weights and moments are written as well as read
            self.bytes += sum(x.numel() * x.element_size() for x in _tensors(arguments[:4])) * 7 // 4
        return result


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    """All tensors in nested tuples and lists."""
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, tuple | list):
        for value in values:
            yield from _tensors(value)


def limits(device: torch.device) -> tuple[float, float]:
    """Measured on one thread or GPU: bytes per second of a copy in memory, operations per second of a product."""
    bandwidth, rate = [], []
    source = torch.ones(64 * 2**20, device=device)
    target, matrix = torch.empty_like(source), torch.randn(2048, 2048, device=device)
    for _ in range(5):
        bandwidth.append(2 * source.numel() * 4 / timed(lambda: target.copy_(source), device))
        rate.append(2 * 2048**3 / timed(lambda: torch.mm(matrix, matrix), device))
    return max(bandwidth), max(rate)


def work_of_an_update(trainings: Sequence[Training], device: torch.device) -> tuple[float, float]:
    """Bytes and operations of one update of one model: its products and its optimizer step."""
    shape = shape_of(trainings[0].examples)
    lockstep = Lockstep(trainings[:1], shape, device, 0)
    lockstep.update()
    counted = ProductBytes()
    with counted, FlopCounterMode(display=False) as operations:
        lockstep.update()
    return float(counted.bytes), float(operations.get_total_flops() + counted.vector_flops)


def measure(arguments: argparse.Namespace, name: str, size: int, device: torch.device) -> dict[str, Any]:
    """One row: both engines on one learner and size."""
    learner = resolve(LEARNERS[name] | _OPTIMISATION, arguments.updates, None)
    trainings = trainings_of(arguments.task, size, learner, range(1, arguments.seeds + 1))
    bandwidth, rate = limits(device)
    moved, operations = work_of_an_update(trainings, device)
    slices = 3  # the fused engine in as many parts, with the reference before, between and after
    parts = [trainings[part::slices] for part in range(slices)] if len(trainings) >= 128 * slices else [trainings]
    slow, fast = [], 0.0
    for place in range(len(parts) + 1):
        one = trainings[place % len(trainings)]
        slow.append(timed(lambda one=one: list(reference.train_chain([one], device)), device))  # type: ignore[misc]
        if place < len(parts):
            fast += timed(lambda part=parts[place]: list(train_many(part, device)), device)  # type: ignore[misc]
    seconds = fast / len(trainings)
    floor = max(moved / bandwidth, operations / rate) * arguments.updates
    memory = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return {
        "task": arguments.task,
        "size": size,
        "learner": name,
        "seeds": len(trainings),
        "updates": arguments.updates,
        "device": reference.device_name(device),
        "torch": str(torch.__version__),
        "threads": torch.get_num_threads(),
        "seconds_reference": statistics.median(slow),
        "n_reference": len(slow),
        "seconds_fused": seconds,
        "ratio": statistics.median(slow) / seconds,
        "limit_share": floor / seconds,
        "limit": "bandwidth" if moved / bandwidth > operations / rate else "products",
        "megabytes_per_update": moved / 1e6,
        "megaflop_per_update": operations / 1e6,
        "gigabytes_per_second": bandwidth / 1e9,
        "gigaflop_per_second": rate / 1e9,
        "peak_megabytes": (memory or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024) / 1e6,
    }


def main() -> None:
    """Measure and print what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--task", default="add-or-mul", choices=sorted(load_tasks()))
    parser.add_argument("--size", type=int, nargs="+", default=[5])
    parser.add_argument("--learner", nargs="+", default=list(LEARNERS), choices=list(LEARNERS))
    parser.add_argument("--seeds", type=int, default=64, help="models trained on engine fused")
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
