"""What an update must do at least, and what the machine can do: the share of the limit that an engine reaches."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from indoubt.engines.fused import kernels
from indoubt.engines.fused.batches import shape_of
from indoubt.engines.fused.lockstep import FusedLockstep, in_c
from indoubt.training import Training
from indoubt.workflow.cost import BatchShape, work_of


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Seconds that some work takes: of a GPU those on the clock, on the CPU the process's, whoever else computes."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    started = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - started


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
            if name in ("cell_forward", "cell_backward"):  # a weight that is read at each of the steps
                weight, (active,), (start, end) = arguments[0], _integers(arguments), sizes[2:4]
                work.product_bytes += (end - start) * _bytes(weight)
                work.operations += 2 * int(active[start:end].sum()) * weight.numel()
            elif name == "adam_of_product":
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


def _integers(arguments: Sequence[Any]) -> list[torch.Tensor]:
    return [each for each in arguments if isinstance(each, torch.Tensor) and each.dtype is torch.long]


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
    """The work of one update of one model.

    Of a Transformer in C, which is one call, what its layers take by count; its weights, moments and gradients once.
    """
    first = trainings[0]
    if in_c(first.learner, device):
        lengths = [(len(e.source), len(e.target)) for e in first.examples]
        (sources, targets), n = zip(*lengths, strict=True), len(lengths)
        batch = BatchShape(n, sum(sources) / n, sum(targets) / n, max(sources), max(targets))
        counted = work_of(first.learner.arguments, batch, padded=False)
        return Work(counted.operations, 0.0, 28 * counted.weights)
    work = Work()
    with kernel_work(work):
        lockstep = FusedLockstep(trainings[:1], shape_of(trainings[0].examples), device, 0)
        lockstep.update()
        work.operations = work.product_bytes = work.adam_bytes = 0.0
        with TorchWork(work):
            lockstep.update()
    return work
