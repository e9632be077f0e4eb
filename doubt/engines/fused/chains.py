"""Chains of trainings on their way through locksteps: which go together, what is asked of them when, what is saved.

What a lockstep computes is the business of the engine that derives from `Engine`.
"""

from __future__ import annotations

import gc
import platform
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import torch

from doubt.engines.devices import device_name
from doubt.engines.fused import subnormals
from doubt.engines.fused.arrays.batch import Shape
from doubt.engines.fused.arrays.parameters import Parameters
from doubt.engines.fused.failures import Failures, of_device
from doubt.engines.fused.optimisation import Adam
from doubt.engines.fused.state import Saved, Saver
from doubt.engines.under_way import say
from doubt.training import Result, Seen, Training

#: Called with each training that did not diverge and its model.
Keep = Callable[[Training, torch.nn.Module], None]


class InStep(Protocol):
    """Trainings that are updated together.

    `rows` says for each model whose training it does: the first models are those of `trainings`, more may fill up.
    `done` counts updates; `stopped` holds, for each training, after how many it was found to have diverged, or None;
    `seconds` is the time spent so far.
    """

    trainings: list[Training]
    shape: Shape
    steps_before: int
    adam: Adam
    done: int
    seconds: float
    stopped: list[int | None]

    @property
    def rows(self) -> Sequence[int]: ...
    @property
    def weights(self) -> Parameters: ...
    @property
    def finished(self) -> bool: ...
    def update(self) -> None: ...
    def jump(self, done: int) -> None: ...


Lockstep = TypeVar("Lockstep", bound=InStep)


@dataclass
class Link:
    """A training and where it stands in its chain.

    `moments` are Adam's as the chain's previous block left them, after `steps` steps; `finished` holds the results of
    all previous blocks; `seen` what the training gave at its milestones so far.
    """

    chain: Sequence[Training]
    place: int = 0
    moments: tuple[Parameters, Parameters] | None = None
    steps: int = 0
    finished: list[Result] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)

    @property
    def training(self) -> Training:
        return self.chain[self.place]


class Engine(ABC, Generic[Lockstep]):
    """What the trainings of one call have in common, and the links that wait."""

    name: ClassVar[str]

    def __init__(self, device: torch.device, saver: Saver, keep: Keep | None) -> None:
        self.device, self.saver, self.keep = device, saver, keep
        self.waiting: list[Link] = []
        self.failures = Failures()

    @abstractmethod
    def kind(self, training: Training) -> Hashable:
        """What trainings must have in common, beside their shape, to share a lockstep."""

    @abstractmethod
    def shape(self, training: Training) -> Shape:
        """What a training's batch is padded to."""

    @abstractmethod
    def together(self, training: Training, shape: Shape) -> int:
        """How many models like a training's fit into one lockstep."""

    @abstractmethod
    def start(self, trainings: Sequence[Training], shape: Shape, steps_before: int) -> Lockstep:
        """A lockstep before its first update; Adam has done `steps_before` steps in earlier blocks."""

    @abstractmethod
    def evaluate(self, trainings: Sequence[Training], lockstep: Lockstep, results: Sequence[Result]) -> None:
        """Score and decode what is asked of the trainings, into their results; those that diverged are passed over."""

    @abstractmethod
    def module(self, training: Training, lockstep: Lockstep, row: int) -> torch.nn.Module:
        """One model as a module of its own."""

    def train(self, chains: Sequence[Sequence[Training]]) -> Iterator[Result]:
        """All trainings of all chains: first what had been begun before."""
        links = [Link(chain) for chain in chains]
        new = {link.training.key: link for link in links}
        with self.saver.listening():
            for begun, saved in self._resumed(links):
                for link in begun:
                    del new[link.chain[0].key]
                    yield from link.finished
                yield from self._lockstep(begun, self.shape(begun[0].training), saved)
                self.saver.forget()
            self.waiting += new.values()
            while self.waiting:
                yield from self._lockstep(*self._next_group())
                self.saver.forget()
        self.failures.tell()

    def _next_group(self) -> tuple[list[Link], Shape]:
        """Waiting links that can share a lockstep, the furthest in their chains first: moments need not wait long."""
        alike: dict[Any, list[Link]] = defaultdict(list)
        for link in self.waiting:
            alike[self.shape(link.training), link.steps, self.kind(link.training)].append(link)
        (shape, *_), group = max(alike.items(), key=lambda item: item[0][1])
        most = self.together(group[0].training, shape)
        return group[: -(-len(group) // -(-len(group) // most))], shape

    def _lockstep(self, links: list[Link], shape: Shape, saved: Saved | None = None) -> Iterator[Result]:
        """Train links together; in halves if memory does not suffice. Where the device fails, others go on."""
        self.waiting = [link for link in self.waiting if not any(link is each for each in links)]
        results: list[Result] | None = None
        try:
            results = self._run(self._begin(links, shape, saved), links)
        except RuntimeError as error:
            if not of_device(error):
                raise
            if len(links) == 1 or not isinstance(error, torch.OutOfMemoryError):
                self.saver.leave()
                self.failures.add([link.training for link in links], error, self.device)
                return
        if results is not None:
            yield from results
            return
        gc.collect()
        half = len(links) // 2  # out of the handler, which holds on to the memory
        for part in (slice(None, half), slice(half, None)):
            yield from self._lockstep(links[part], shape, saved and saved.of(part))

    def _begin(self, links: list[Link], shape: Shape, saved: Saved | None) -> Lockstep:
        """A lockstep at its first update, with the moments that its links bring, or where it was saved."""
        lockstep = self.start([link.training for link in links], shape, links[0].steps)
        for row, place in enumerate(lockstep.rows):
            moments = links[place].moments
            if moments is not None:
                lockstep.adam.first.put(row, moments[0], 0)
                lockstep.adam.second.put(row, moments[1], 0)
        if saved is not None:
            ours = {"weights": lockstep.weights, "first": lockstep.adam.first, "second": lockstep.adam.second}
            saved.into(ours, lockstep.rows)
            numbers = saved.state["numbers"]
            lockstep.jump(numbers["done"])
            lockstep.seconds = numbers["seconds"] * len(links) / len(saved.state["keys"])
            lockstep.stopped = [numbers["stopped"][row] for row in saved.rows]
        return lockstep

    def _run(self, lockstep: Lockstep, links: list[Link]) -> list[Result]:
        """Do all updates of a lockstep, with a look at each milestone, then score and decode."""
        started = time.monotonic() - lockstep.seconds
        milestones = {update for link in links for update in link.training.milestones}
        while not lockstep.finished:
            with subnormals.taken_for_zero():
                lockstep.update()
            say(lockstep.trainings, lockstep.done)
            if lockstep.done in milestones:
                self._look(lockstep, links)
            if self.saver.due():
                lockstep.seconds = time.monotonic() - started
                self._save(lockstep, links)
        results = self._results(lockstep, links)
        self.evaluate([link.training.at(None) for link in links], lockstep, results)
        seconds = (time.monotonic() - started) / len(links)
        for row, (link, result) in enumerate(zip(links, results, strict=True)):
            result.seconds = seconds
            link.seen.into(result)
            if self.keep is not None and result.status == "ok":
                self.keep(link.training, self.module(link.training, lockstep, row))
            if link.place + 1 < len(link.chain):
                moments = lockstep.adam.first.select([row]), lockstep.adam.second.select([row])
                steps = link.steps + link.training.learner.updates
                self.waiting.append(Link(link.chain, link.place + 1, moments, steps, [*link.finished, result]))
        return results

    def _look(self, lockstep: Lockstep, links: list[Link]) -> None:
        """Score and decode what is asked for at this milestone."""
        started = time.monotonic()
        trainings = [link.training.at(lockstep.done) for link in links]
        results = self._results(lockstep, links)
        self.evaluate(trainings, lockstep, results)
        seconds = (time.monotonic() - started) / len(links)
        for link, training, result in zip(links, trainings, results, strict=True):
            link.seen.add(training, result, seconds)

    def _results(self, lockstep: Lockstep, links: list[Link]) -> list[Result]:
        """A result for each link, as far as it is known before scoring and decoding."""
        results = []
        for link, stopped in zip(links, lockstep.stopped, strict=True):
            updates = link.training.learner.updates if stopped is None else stopped
            result = Result(link.training.key, "ok" if stopped is None else "diverged", 0.0, updates, engine=self.name)
            result.torch, result.device, result.host = str(torch.__version__), device_name(self.device), platform.node()
            results.append(result)
        return results

    def _save(self, lockstep: Lockstep, links: list[Link]) -> None:
        """Save a lockstep; if the process must end, save the waiting links of begun chains too, and end it."""
        state = {"weights": lockstep.weights, "first": lockstep.adam.first, "second": lockstep.adam.second}
        ours = range(len(links))  # not what fills up
        tensors = {name: each if len(ours) == len(lockstep.rows) else each.select(ours) for name, each in state.items()}
        numbers = {"done": lockstep.done, "stopped": lockstep.stopped, "seconds": lockstep.seconds}
        numbers |= {"steps": lockstep.steps_before, "seen": [vars(link.seen) for link in links]}
        self.saver.save(lockstep.trainings, [link.finished for link in links], tensors, numbers)
        if self.saver.termination.told:
            for link in self.waiting:
                if link.moments is not None:
                    numbers = {
                        "done": 0,
                        "stopped": [None],
                        "seconds": 0.0,
                        "steps": link.steps,
                        "seen": [vars(Seen())],
                    }
                    tensors = dict(zip(("first", "second"), link.moments, strict=True))
                    self.saver.save([link.training], [link.finished], tensors, numbers)
        self.saver.termination.end_if_told()

    def _resumed(self, links: list[Link]) -> Iterator[tuple[list[Link], Saved]]:
        """Links whose locksteps had been begun, as far as they are still asked for, and where they were saved.

        One that has passed a milestone at which more is asked now than was seen then begins anew.
        """
        places = {training.key: (link, place) for link in links for place, training in enumerate(link.chain)}
        for path, state in self.saver.saved():
            numbers, begun, rows = state["numbers"], [], []
            for row, key in enumerate(state["keys"]):
                link, place = places.get(key, (None, 0))
                seen = Seen(**numbers["seen"][row])
                if link is not None and seen.has_all(link.chain[place], numbers["done"]):
                    link.place, link.steps, link.seen = place, numbers["steps"], seen
                    link.finished = [Result(**result) for result in state["finished"][row]]
                    begun.append(link)
                    rows.append(row)
                    del places[key]
            if not begun:
                continue
            self.saver.take(path)
            yield begun, Saved(state, rows)
