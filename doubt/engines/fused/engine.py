"""Engine `fused`: any mix of seeds, blocks and candidates of a learner, trained together.

On the CPU a training's result does not depend, to the last bit, on which others share the process: it shares a lockstep
only with trainings that its own data pads to the same shape. On CUDA it does so to rounding.
"""

from __future__ import annotations

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
from doubt.engines.fused.evaluation import evaluate
from doubt.engines.fused.lockstep import Lockstep, dictionaries_of
from doubt.engines.fused.plan import canonical, models_together
from doubt.engines.fused.state import Saver
from doubt.engines.fused.support import supports
from doubt.engines.reference.engine import device_name
from doubt.engines.reference.models import build_model
from doubt.training import Result, Training

#: Called with each training that did not diverge and its model, as fairseq's.
Keep = Callable[[Training, torch.nn.Module], None]


def train_many(
    trainings: Sequence[Training], device: torch.device, *, state_folder: Path | None = None, keep: Keep | None = None
) -> Iterator[Result]:
    """Train independent trainings of one learner and yield each one's result as it is there, in any order.

    Args:
        trainings: any mix of seeds, blocks and candidates, under a protocol where Adam starts fresh.
        device: where to train. On the CPU torch is set to one thread.
        state_folder: where unfinished locksteps are saved every two minutes and on SIGTERM, which then ends the process
            with status 143. What is found there of the trainings asked for is not begun anew. None: nothing is saved.
        keep: called after each training that did not diverge.

    Raises:
        ValueError: the learner or the protocol has no fused form (see `supports`).
    """
    return train_chains([[training] for training in trainings], device, state_folder=state_folder, keep=keep)


def train_chains(
    chains: Sequence[Sequence[Training]],
    device: torch.device,
    *,
    state_folder: Path | None = None,
    keep: Keep | None = None,
) -> Iterator[Result]:
    """As `train_many`, for chains: the trainings of blocks 0, 1, ... of one seed and dataset, through which Adam lives.

    Chains of one training are independent trainings.
    """
    for chain in chains:
        reason = supports(chain[0].learner, chain[0].protocol)
        if reason is not None:
            raise ValueError(reason)
        if len(chain) > 1 and chain[0].protocol.adam_state == "fresh":
            raise ValueError("a chain of several trainings, but Adam starts fresh: give each training by itself")
    if device.type == "cpu":
        torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = False
    saver = Saver(state_folder)
    with saver.listening():
        yield from _Engine(device, saver, keep).train([_Link(chain) for chain in chains])


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

    def __init__(self, device: torch.device, saver: Saver, keep: Keep | None) -> None:
        self.device, self.saver, self.keep = device, saver, keep
        self.waiting: list[_Link] = []
        self._sizes: list[int] = []

    def train(self, links: list[_Link]) -> Iterator[Result]:
        """All trainings of all chains: first what had been begun before."""
        new = {link.training.key: link for link in links}
        for lockstep, begun in self._resumed(links):
            for link in begun:
                del new[link.chain[0].key]
                yield from link.finished
            yield from self._yield(self._run(lockstep, begun))
        for chunk in [self.waiting, *self._chunks(list(new.values()))]:
            self.waiting = chunk
            while self.waiting:
                group, shape, together = self._next_group()
                yield from self._yield(self._lockstep(group[:together], shape))

    def _chunks(self, links: list[_Link]) -> list[list[_Link]]:
        """Links that are worked on at the same time: all, but of chains only a lockstep's, for their moments wait."""
        if not any(len(link.chain) > 1 for link in links):
            return [links]
        size = self._together(links[0].training, shape_of(links[0].training.examples))
        return [links[start : start + size] for start in range(0, len(links), size)]

    def _next_group(self) -> tuple[list[_Link], Shape, int]:
        """The waiting links that can share a lockstep with the first, and how many of them to take."""
        alike: dict[Any, list[_Link]] = defaultdict(list)
        for link in self.waiting:
            training = link.training
            sizes = len(training.source_symbols), len(training.target_symbols)
            alike[(self._shape(training), link.steps, *sizes)].append(link)
        (shape, *_), group = next(iter(alike.items()))
        together = self._together(group[0].training, shape)
        return group, shape, -(-len(group) // -(-len(group) // together))

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
        lockstep = Lockstep([link.training for link in links], shape, self.device, links[0].steps)
        for row, link in enumerate(links):
            if link.moments is not None:
                lockstep.adam.first.put(row, link.moments[0], 0)
                lockstep.adam.second.put(row, link.moments[1], 0)
        return lockstep

    def _shape(self, training: Training) -> Shape:
        """What a training's batch is padded to: nothing, where it has a lockstep for itself anyway."""
        shape = shape_of(training.examples)
        alone = self.device.type == "cpu" and self._together(training, shape) == 1
        return shape if alone else canonical(shape, self.device)

    def _together(self, training: Training, shape: Shape) -> int:
        """How many models like a training's fit into one lockstep."""
        if not self._sizes:
            model = build_model(training.learner, *dictionaries_of(training))
            self._sizes = [parameter.numel() for parameter in model.parameters()]
        return models_together(training.learner, self._sizes, shape, self.device)

    def _run(self, lockstep: Lockstep, links: list[_Link]) -> list[tuple[_Link, Result]]:
        """Do all updates of a lockstep, then score and decode."""
        started = time.monotonic() - lockstep.seconds
        while not lockstep.finished:
            lockstep.update()
            if self.saver.due():
                lockstep.seconds = time.monotonic() - started
                self._save(lockstep, links)
        results = []
        for link, stopped in zip(links, lockstep.stopped, strict=True):
            updates = link.training.learner.updates if stopped is None else stopped
            results.append(Result(link.training.key, "ok" if stopped is None else "diverged", 0.0, updates))
        trainings = [link.training for link in links]
        evaluate(trainings, lockstep.weights, results, self._together(trainings[0], lockstep.shape))
        seconds = (time.monotonic() - started) / len(links)
        for row, (link, result) in enumerate(zip(links, results, strict=True)):
            result.seconds, result.engine, result.torch = seconds, "fused", str(torch.__version__)
            result.device, result.host = device_name(self.device), platform.node()
            if self.keep is not None and result.status == "ok":
                self.keep(link.training, _as_fairseq(link.training, lockstep.weights, row))
            if link.place + 1 < len(link.chain):
                moments = lockstep.adam.first.select([row]), lockstep.adam.second.select([row])
                steps = link.steps + link.training.learner.updates
                self.waiting.append(_Link(link.chain, link.place + 1, moments, steps, [*link.finished, result]))
        return list(zip(links, results, strict=True))

    def _yield(self, done: list[tuple[_Link, Result]]) -> Iterator[Result]:
        """Hand out results; once the last has been taken, the lockstep's saved state is of no use any more."""
        for _, result in done:
            yield result
        self.saver.forget()

    def _save(self, lockstep: Lockstep, links: list[_Link]) -> None:
        """Save a lockstep; if the process must end, save the waiting links of begun chains too, and end it."""
        tensors = {"weights": lockstep.weights, "first": lockstep.adam.first, "second": lockstep.adam.second}
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
            rows = [row for row, key in enumerate(state["keys"]) if key in places]
            if not rows:
                continue
            self.saver.take(path)
            begun = []
            for row in rows:
                link, place = places.pop(state["keys"][row])
                link.place = place
                link.finished = [Result(**result) for result in state["finished"][row]]
                link.steps = state["numbers"]["steps"]
                begun.append(link)
            shape = self._shape(begun[0].training)
            lockstep = Lockstep([link.training for link in begun], shape, self.device, begun[0].steps)
            mine = {"weights": lockstep.weights, "first": lockstep.adam.first, "second": lockstep.adam.second}
            for name, flat in state["tensors"].items():
                all_rows = mine[name].like(len(state["keys"]))
                all_rows.flat.copy_(flat)
                mine[name].flat.copy_(all_rows.select(rows).flat)
            lockstep.jump(state["numbers"]["done"])
            lockstep.seconds = state["numbers"]["seconds"] * len(rows) / len(state["keys"])
            lockstep.stopped = [state["numbers"]["stopped"][row] for row in rows]
            yield lockstep, begun


def _as_fairseq(training: Training, weights: Parameters, row: int) -> torch.nn.Module:
    """One model's weights in a model of fairseq's."""
    model = build_model(training.learner, *dictionaries_of(training)).to(weights.flat.device)
    model.load_state_dict(model.state_dict() | weights.export(row))
    return model.eval()
