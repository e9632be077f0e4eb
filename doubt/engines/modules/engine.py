"""Engine `modules`: any mix of seeds, blocks and candidates of a learner that is a PyTorch module, trained together.

On the CPU a training's result does not depend, to the last bit, on which others share the process: locksteps are filled
up to a multiple of 8 models, times to even numbers, and MKL is told to compute products alike wherever they lie in
memory. On CUDA it does not to rounding.
"""

from __future__ import annotations

import os

#: Before MKL's first product: its results are then independent of how operands are aligned, at no cost.
os.environ.setdefault("MKL_CBWR", "AUTO")

import platform
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from doubt.engines.fused.arrays.batch import Shape, shape_of
from doubt.engines.fused.arrays.parameters import Parameters
from doubt.engines.fused.plan import canonical
from doubt.engines.fused.state import Saver
from doubt.engines.modules.building import Builder
from doubt.engines.modules.evaluation import evaluate
from doubt.engines.modules.inputs import vocabulary_of
from doubt.engines.modules.lockstep import Lockstep
from doubt.engines.modules.models import Maker, Models
from doubt.engines.reference.engine import device_name
from doubt.training import Result, Training

#: Called with each training that did not diverge and its model.
Keep = Callable[[Training, torch.nn.Module], None]


def train_chains(
    chains: Sequence[Sequence[Training]],
    device: torch.device,
    *,
    state_folder: Path | None = None,
    keep: Keep | None = None,
) -> Iterator[Result]:
    """Train chains of one learner and yield each training's result as it is there, in any order.

    Args:
        chains: each one training, or, where Adam is carried over, those of blocks 0, 1, ... of one seed and dataset.
        device: where to train. On the CPU torch is set to one thread.
        state_folder: where unfinished locksteps are saved every two minutes and on SIGTERM, which then ends the process
            with status 143. What is found there of the trainings asked for is not begun anew. None: nothing is saved.
        keep: called after each training that did not diverge.
    """
    if not chains:
        return
    _prepare(device)
    saver = Saver(state_folder)
    with saver.listening():
        yield from _Engine(chains[0][0], device, saver, keep).train([_Link(chain) for chain in chains])


def evaluate_kept(training: Training, module: torch.nn.Module, device: torch.device) -> Result:
    """The result of a training whose module was kept: scored and decoded, not trained again."""
    _prepare(device)
    started = time.monotonic()
    maker = Maker(Builder(training.learner), vocabulary_of(training), device)
    result = _new_result(training, None, device)
    evaluate([training], maker.of_module(module), maker.takes, [result], 1)
    result.seconds = time.monotonic() - started
    return result


def _prepare(device: torch.device) -> None:
    if device.type == "cpu":
        torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def _new_result(training: Training, stopped: int | None, device: torch.device) -> Result:
    updates = training.learner.updates if stopped is None else stopped
    result = Result(training.key, "ok" if stopped is None else "diverged", 0.0, updates, engine="modules")
    result.torch, result.device, result.host = str(torch.__version__), device_name(device), platform.node()
    return result


@dataclass
class _Link:
    """A training and where it stands in its chain.

    `moments` are Adam's as the chain's previous block left them, after `steps` steps; `finished` holds the results of
    all previous blocks.
    """

    chain: Sequence[Training]
    place: int = 0
    moments: tuple[Parameters, Parameters] | None = None
    steps: int = 0
    finished: list[Result] = field(default_factory=list)

    @property
    def training(self) -> Training:
        return self.chain[self.place]


class _Engine:
    """What the trainings of one call have in common, and the links that wait."""

    def __init__(self, first: Training, device: torch.device, saver: Saver, keep: Keep | None) -> None:
        self.device, self.saver, self.keep = device, saver, keep
        self.waiting: list[_Link] = []
        self._builder = Builder(first.learner)
        self._makers: dict[tuple[int, int, int], Maker] = {}

    def train(self, links: list[_Link]) -> Iterator[Result]:
        """All trainings of all chains: first what had been begun before."""
        new = {link.training.key: link for link in links}
        for lockstep, begun in self._resumed(links):
            for link in begun:
                del new[link.chain[0].key]
                yield from link.finished
            yield from self._yield(self._run(lockstep, begun))
        self.waiting += new.values()
        while self.waiting:
            yield from self._yield(self._lockstep(*self._next_group()))

    def _maker(self, training: Training) -> Maker:
        vocabulary = vocabulary_of(training)
        if vocabulary.sizes not in self._makers:
            self._makers[vocabulary.sizes] = Maker(self._builder, vocabulary, self.device)
        return self._makers[vocabulary.sizes]

    def _next_group(self) -> tuple[list[_Link], Shape]:
        """Waiting links that can share a lockstep, the furthest in their chains first: moments need not wait long."""
        alike: dict[Any, list[_Link]] = defaultdict(list)
        for link in self.waiting:
            alike[self._shape(link.training), link.steps, vocabulary_of(link.training).sizes].append(link)
        (shape, *_), group = max(alike.items(), key=lambda item: item[0][1])
        most = self._maker(group[0].training).together(shape)
        return group[: -(-len(group) // -(-len(group) // most))], shape

    def _shape(self, training: Training) -> Shape:
        """What a training's batch is padded to."""
        return canonical(shape_of(training.examples), self.device)

    def _lockstep(self, links: list[_Link], shape: Shape) -> list[tuple[_Link, Result]]:
        """Train links together; in halves if memory does not suffice."""
        self.waiting = [link for link in self.waiting if not any(link is each for each in links)]
        try:
            return self._run(self._begin(links, shape), links)
        except torch.OutOfMemoryError:
            if len(links) == 1:
                raise
        half = len(links) // 2
        return [*self._lockstep(links[:half], shape), *self._lockstep(links[half:], shape)]

    def _begin(self, links: list[_Link], shape: Shape) -> Lockstep:
        """A lockstep at its first update, with the moments that its links bring."""
        maker = self._maker(links[0].training)
        lockstep = Lockstep([link.training for link in links], maker, shape, self.device, links[0].steps)
        for row, place in enumerate(lockstep.rows):
            moments = links[place].moments
            if moments is not None:
                lockstep.adam.first.put(row, moments[0], 0)
                lockstep.adam.second.put(row, moments[1], 0)
        return lockstep

    def _run(self, lockstep: Lockstep, links: list[_Link]) -> list[tuple[_Link, Result]]:
        """Do all updates of a lockstep, then score and decode."""
        started = time.monotonic() - lockstep.seconds
        while not lockstep.finished:
            lockstep.update()
            if self.saver.due():
                lockstep.seconds = time.monotonic() - started
                self._save(lockstep, links)
        pairs = zip(links, lockstep.stopped, strict=True)
        results = [_new_result(link.training, stopped, self.device) for link, stopped in pairs]
        models, trainings = lockstep.models, [link.training for link in links]
        maker = self._maker(trainings[0])
        evaluate(trainings, models, maker.takes, results, maker.together(lockstep.shape))
        seconds = (time.monotonic() - started) / len(links)
        for row, (link, result) in enumerate(zip(links, results, strict=True)):
            result.seconds = seconds
            if self.keep is not None and result.status == "ok":
                self.keep(link.training, self._module(link.training, models, row))
            if link.place + 1 < len(link.chain):
                moments = lockstep.adam.first.select([row]), lockstep.adam.second.select([row])
                steps = link.steps + link.training.learner.updates
                self.waiting.append(_Link(link.chain, link.place + 1, moments, steps, [*link.finished, result]))
        return list(zip(links, results, strict=True))

    def _module(self, training: Training, models: Models, row: int) -> torch.nn.Module:
        """One model as a module of its own."""
        module = self._builder.module(vocabulary_of(training), training.seed)
        own = dict(module.named_parameters())
        with torch.no_grad():
            for name, value in models.weights.export(row).items():
                own[name].copy_(value.view_as(own[name]))
        return module.eval()

    def _yield(self, done: list[tuple[_Link, Result]]) -> Iterator[Result]:
        """Hand out results; once the last has been taken, the lockstep's saved state is of no use any more."""
        for _, result in done:
            yield result
        self.saver.forget()

    def _save(self, lockstep: Lockstep, links: list[_Link]) -> None:
        """Save a lockstep; if the process must end, save the waiting links of begun chains too, and end it."""
        ours = range(len(links))  # not the rows that fill up
        state = {"weights": lockstep.models.weights, "first": lockstep.adam.first, "second": lockstep.adam.second}
        tensors = {name: parameters.select(ours) for name, parameters in state.items()}
        numbers = {"done": lockstep.done, "stopped": lockstep.stopped, "seconds": lockstep.seconds}
        numbers["steps"] = lockstep.steps_before
        self.saver.save(lockstep.trainings, [link.finished for link in links], tensors, numbers)
        if self.saver.termination.told:
            for link in self.waiting:
                if link.moments is not None:
                    numbers = {"done": 0, "stopped": [None], "seconds": 0.0, "steps": link.steps}
                    tensors = dict(zip(("first", "second"), link.moments, strict=True))
                    self.saver.save([link.training], [link.finished], tensors, numbers)
        self.saver.termination.end_if_told()

    def _resumed(self, links: list[_Link]) -> Iterator[tuple[Lockstep, list[_Link]]]:
        """Locksteps that had been begun, with those of their models that are still asked for."""
        places = {training.key: (link, place) for link in links for place, training in enumerate(link.chain)}
        for path, state in self.saver.saved():
            saved_rows = [row for row, key in enumerate(state["keys"]) if key in places]
            if not saved_rows:
                continue
            self.saver.take(path)
            begun = []
            for row in saved_rows:
                link, place = places.pop(state["keys"][row])
                link.place = place
                link.finished = [Result(**result) for result in state["finished"][row]]
                link.steps = state["numbers"]["steps"]
                begun.append(link)
            lockstep = self._begin(begun, self._shape(begun[0].training))
            ours = {"weights": lockstep.models.weights, "first": lockstep.adam.first, "second": lockstep.adam.second}
            for name, flat in state["tensors"].items():
                saved = ours[name].like(len(state["keys"]))
                saved.flat.copy_(flat)
                for row, place in enumerate(lockstep.rows):
                    ours[name].put(row, saved, saved_rows[place])
            lockstep.done = state["numbers"]["done"]
            lockstep.seconds = state["numbers"]["seconds"] * len(begun) / len(state["keys"])
            lockstep.stopped = [state["numbers"]["stopped"][row] for row in saved_rows]
            yield lockstep, begun
