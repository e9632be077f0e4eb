"""How seeds are trained, from the first update to the last output: read this first.

Trainings come as chains: one training, or, where Adam or a random stream is carried from block to block, those of
blocks 0, 1, ... of one seed and dataset. Trainings that are alike are updated together, in a lockstep, as many as the
engine has room for. What an update computes is the engine's business (`backend.Backend`).
"""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic

from indoubt.engines.backend import AnyLockstep, Backend, Keep, State
from indoubt.engines.devices import Failures, made_by, of_device, of_memory
from indoubt.engines.progress import say
from indoubt.engines.saved_states import SavedState, SavedStates, remove
from indoubt.engines.weights import read_weights
from indoubt.training import Result, Seen, Training


def train(
    chains: Sequence[Sequence[Training]],
    backend: Backend[AnyLockstep],
    *,
    state_folder: Path | None = None,
    keep: Keep | None = None,
) -> Iterator[Result]:
    """Train chains of one learner and yield each training's result as it is there, in any order.

    Args:
        state_folder: where unfinished trainings are saved every two minutes and on SIGTERM, which then ends the process
            with status 143. What is found there of the trainings asked for goes on. None: nothing is saved.
        keep: called after each training that did not diverge.

    Raises:
        UserError: a device failed in some lockstep; raised when all others are done.
    """
    loop = _Loop(chains, backend, SavedStates(state_folder, backend.device), keep)
    with loop.states.listening():
        for finished, links, saved in loop.groups():
            yield from finished
            try:
                results = loop.run(links, saved)
            except RuntimeError as error:
                loop.set_aside(links, saved, error)
                continue
            yield from results
            loop.file_under(None, links)
    loop.failures.tell()


@dataclass(eq=False)
class _Link:
    """A training and where it stands in its chain.

    `carried` is what the chain's previous block left, after `steps` steps of Adam; `finished` holds the results of all
    previous blocks; `seen` what the training gave at its milestones; `file` has the latest state of it on disk.
    """

    chain: Sequence[Training]
    place: int = 0
    carried: State | None = None
    steps: int = 0
    finished: list[Result] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)
    file: Path | None = None

    @property
    def training(self) -> Training:
        return self.chain[self.place]


class _Loop(Generic[AnyLockstep]):
    """The trainings of one call."""

    def __init__(
        self,
        chains: Sequence[Sequence[Training]],
        backend: Backend[AnyLockstep],
        states: SavedStates,
        keep: Keep | None,
    ) -> None:
        self.backend, self.states, self.keep = backend, states, keep
        self.waiting = [_Link(chain) for chain in chains]
        self.running: list[_Link] = []
        #: What those that are running had seen before.
        self.seen_before: list[Seen] = []
        self.halves: list[tuple[list[_Link], SavedState | None]] = []
        self.failed: list[_Link] = []
        self.failures = Failures()

    def groups(self) -> Iterator[tuple[list[Result], list[_Link], SavedState | None]]:
        """What is trained together, one after the other: first what had been begun before, which may have results.

        What memory has not sufficed for comes next, in halves.
        """
        for links, saved in self._resumed():
            yield [result for link in links for result in link.finished], links, saved
            yield from self._halved()
        while self.waiting:
            self.states.end_if_told()
            yield [], self._next_group(), None
            yield from self._halved()

    def _halved(self) -> Iterator[tuple[list[Result], list[_Link], SavedState | None]]:
        while self.halves:
            gc.collect()  # now: while the error was handled it held on to the memory
            yield [], *self.halves.pop()

    def _next_group(self) -> list[_Link]:
        """Waiting links that can share a lockstep, the furthest in their chains first: what they carry is freed."""
        groups: dict[tuple[int, Hashable], list[_Link]] = defaultdict(list)
        for link in self.waiting:
            groups[link.steps, self.backend.alike(link.training)].append(link)
        group = max(groups.values(), key=lambda links: links[0].steps)
        locksteps = -(-len(group) // self.backend.capacity(group[0].training))
        return group[: -(-len(group) // locksteps)]

    def run(self, links: list[_Link], saved: SavedState | None) -> list[Result]:
        """Do all updates in one lockstep, look at each milestone, score and decode; what follows in a chain waits."""
        self.waiting = [link for link in self.waiting if link not in links]
        self.running, self.seen_before = links, deepcopy([link.seen for link in links])
        lockstep = self._begin(links, saved)
        started = time.monotonic() - lockstep.seconds
        milestones = sorted({update for link in links for update in link.training.milestones})
        while not lockstep.finished:
            lockstep.update(milestones)
            say(lockstep.trainings, lockstep.done)
            if lockstep.done in milestones:
                self._look(lockstep, links)
            if self.states.due():
                lockstep.seconds = time.monotonic() - started
                self._save(lockstep, links)
        results = self._results(lockstep)
        self.backend.evaluate(lockstep, [link.training.at(None) for link in links], results)
        self._score_beside(lockstep, links, results)
        seconds = (time.monotonic() - started) / len(links)
        following: list[tuple[_Link, State, Result]] = []
        for row, (link, result) in enumerate(zip(links, results, strict=True)):
            result.seconds = seconds
            link.seen.into(result)
            if self.keep is not None and result.status == "ok":
                self.keep(link.training, self.backend.module(lockstep, row))
            if link.place + 1 < len(link.chain):
                following.append((link, lockstep.carried(row, link.chain[link.place + 1]), result))
        for each in following:  # only now: where memory does not suffice for one, all of them are done again
            self._wait(*each)
        return results

    def set_aside(self, links: list[_Link], saved: SavedState | None, error: RuntimeError) -> None:
        """Have links that a device failed on done again in halves, if memory did not suffice; else others go on.

        Raises:
            RuntimeError: it was no failure of a device.
        """
        if not of_device(error):
            raise error
        if len(links) == 1 or not of_memory(error):
            self.failed += links
            self.failures.add([link.training for link in links], error, self.backend.device)
            return
        for link, seen in zip(links, self.seen_before, strict=True):
            link.seen = seen
        half = len(links) // 2
        self.halves += [(links[half:], saved), (links[:half], saved)]
        self.waiting += links  # so that what is saved of them is not forgotten with the first half

    def _begin(self, links: list[_Link], saved: SavedState | None) -> AnyLockstep:
        """A lockstep at its first update, with what its links carry, or where it was saved."""
        lockstep = self.backend.start([link.training for link in links], links[0].steps)
        if saved is not None:
            rows = [saved.keys.index(link.training.key) for link in links]
            lockstep.take_up(saved.state, dict(enumerate(rows)), saved.done)
            lockstep.done, lockstep.seconds = saved.done, saved.seconds * len(links) / len(saved.keys)
            lockstep.diverged_after = [saved.diverged_after[row] for row in rows]
            return lockstep
        for row, link in enumerate(links):
            if link.carried is not None:
                lockstep.take_up(link.carried, {row: 0}, 0)
            if link.training.weights is not None:
                lockstep.begin_from(row, read_weights(link.training.weights))
        return lockstep

    def _look(self, lockstep: AnyLockstep, links: list[_Link]) -> None:
        """Score and decode what is asked for at this milestone."""
        started = time.monotonic()
        requests = [link.training.at(lockstep.done) for link in links]
        results = self._results(lockstep)
        self.backend.evaluate(lockstep, requests, results)
        seconds = (time.monotonic() - started) / len(links)
        for link, training, result in zip(links, requests, results, strict=True):
            link.seen.add(training, result, seconds)

    def _score_beside(self, lockstep: AnyLockstep, links: list[_Link], results: list[Result]) -> None:
        """Note the scores that nobody has asked for, of trainings where all of them are finite."""
        requests = [link.training.asked_beside() for link in links]
        if not any(training.scores for training in requests):
            return
        copies = [replace(result, nats={}, outputs={}) for result in results]
        self.backend.evaluate(lockstep, requests, copies)
        for result, beside in zip(results, copies, strict=True):
            result.nats |= {key: nats for key, nats in beside.nats.items() if key not in result.nats}

    def _results(self, lockstep: AnyLockstep) -> list[Result]:
        """A result for each training, as far as it is known before scoring and decoding."""
        results = []
        for training, after in zip(lockstep.trainings, lockstep.diverged_after, strict=True):
            result = Result(training.key, "ok" if after is None else "diverged", 0.0, after or lockstep.updates)
            results.append(made_by(result, self.backend.name, self.backend.device))
        return results

    def _wait(self, link: _Link, carried: State, result: Result) -> None:
        """The next training of a chain waits, its state on disk: its blocks before cannot be done without."""
        steps = link.steps + link.training.learner.updates
        following = _Link(link.chain, link.place + 1, carried, steps, [*link.finished, result])
        saved = SavedState(
            [following.training.key], carried, 0, steps, 0.0, [None], [following.seen], [following.finished]
        )
        following.file = self.states.save(saved)
        self.waiting.append(following)
        if following.file is not None:
            self.file_under(None, [link])

    def _save(self, lockstep: AnyLockstep, links: list[_Link]) -> None:
        """Save a lockstep; then end the process, if it was told to."""
        path = self.states.save(
            SavedState(
                [link.training.key for link in links],
                lockstep.state(),
                lockstep.done,
                links[0].steps,
                lockstep.seconds,
                lockstep.diverged_after,
                [link.seen for link in links],
                [link.finished for link in links],
            )
        )
        if path is not None:
            self.file_under(path, links)
        self.states.end_if_told()

    def file_under(self, path: Path | None, links: list[_Link]) -> None:
        """Note where the latest state of some links lies; what nobody goes on from any more is removed."""
        old = {link.file for link in links}
        for link in links:
            link.file = path
        for file in old - {link.file for link in (*self.running, *self.waiting, *self.failed)}:
            if file is not None:
                remove(file)

    def _resumed(self) -> Iterator[tuple[list[_Link], SavedState]]:
        """Links that had been begun, as far as they are still asked for, and where they were saved.

        A chain of which more is asked now than was seen at a milestone, or given by a finished training, begins anew.
        """
        places = {training.key: (link, place) for link in self.waiting for place, training in enumerate(link.chain)}
        for path, saved in self.states.read():
            begun = []
            for key, seen, finished in zip(saved.keys, saved.seen, saved.finished, strict=True):
                link, place = places.get(key, (None, 0))
                if link is None or link not in self.waiting or not seen.has_all(link.chain[place], saved.done):
                    continue
                if all(result.has_all(training) for result, training in zip(finished, link.chain, strict=False)):
                    link.place, link.steps, link.seen, link.finished = place, saved.steps, seen, finished
                    link.file = path
                    begun.append(link)
            if begun:
                yield begun, saved
