"""One lockstep: trainings of one learner and one shape, updated together until all are done.

On a GPU an update is recorded once as a CUDA graph and then replayed, which spares it hundreds of launches.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from indoubt.engines.backend import State
from indoubt.engines.fairseq.models import build_model, dictionaries_of
from indoubt.engines.fairseq.randomness import drawn_places, seed_everything
from indoubt.engines.fused import kernels, stacked
from indoubt.engines.fused.adam import Adam, Schedule, nll
from indoubt.engines.fused.architectures import ARCHITECTURES
from indoubt.engines.fused.batches import Drawn, Shape, make_batch, shape_of
from indoubt.engines.fused.dropout import DropoutMasks
from indoubt.engines.fused.parameters import Gradients, Parameters
from indoubt.engines.fused.stacked import StackedLockstep
from indoubt.engines.fused.transformer_in_c import TransformersInC
from indoubt.errors import said
from indoubt.learner import Learner
from indoubt.training import Training

#: Updates before the recording: a GPU's libraries set themselves up in the first ones.
WARM_UP = 3


class Recorded:
    """Calls an update, always the same one; on a GPU, as soon as there is a recording of it, replays that.

    Where none can be made, a notice says why, and the update is launched call by call: the same numbers, more slowly.
    The update is not kept: it belongs to who keeps this, and a ring of the two would keep a GPU's memory from the next
    lockstep.
    """

    def __init__(self, device: torch.device) -> None:
        self._to_go = WARM_UP if device.type == "cuda" else -1
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, update: Callable[[], None]) -> None:
        if self._to_go == 0:
            self._record(update)
        self._to_go -= 1
        if self._graph is not None:
            self._graph.replay()
        else:
            update()

    def _record(self, update: Callable[[], None]) -> None:
        """Record an update, which does not execute it."""
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                update()
        except torch.OutOfMemoryError:
            raise  # a smaller lockstep will do
        except RuntimeError as error:
            print(
                f"notice: an update cannot be recorded as a CUDA graph, so trainings take longer: {said(error)}",
                file=sys.stderr,
            )
            return
        self._graph = graph


#: Seconds that a call of C takes at most, if more than an update: after it, states are saved and signals heard.
CALL_SECONDS = 0.5


def initial_weights(trainings: Sequence[Training], device: torch.device) -> Parameters:
    """The weights from which trainings start: those that fairseq itself initialises, for each training's seed."""
    learner = trainings[0].learner
    states: dict[int, dict[str, Tensor]] = {}
    for training in trainings:
        if training.seed not in states:
            seed_everything(training.seed)
            model = build_model(learner, *dictionaries_of(training))
            states[training.seed] = {name: value.detach() for name, value in model.named_parameters()}
    shapes = {name: value.shape for name, value in states[trainings[0].seed].items()}
    blocks = ARCHITECTURES[learner.arguments["arch"]].blocks(learner)
    weights = Parameters(blocks, shapes, len(trainings), device)
    for row, training in enumerate(trainings):
        weights.load(row, states[training.seed])
    return weights


def shape_of_training(training: Training) -> Shape:
    """The shape that a training's batches need, of all its examples or of some that are drawn."""
    shape, size = shape_of(training.examples), training.learner.batch_size
    return shape if size is None else Shape(size, shape.source, shape.target)


def in_c(learner: Learner, device: torch.device) -> bool:
    """Whether a learner's models are updated in C from top to bottom, one after another."""
    return learner.arguments["arch"] == "transformer" and kernels.there_are(torch.empty(0, device=device))


class FusedLockstep(StackedLockstep):
    """Trainings in progress, row by row in stacked weights."""

    def __init__(self, trainings: Sequence[Training], shape: Shape, device: torch.device, steps_before: int) -> None:
        """
        Args:
            trainings: of one learner, with dictionaries of one size.
            shape: what their batches are padded to.
            steps_before: steps that Adam's moments have seen in earlier blocks of the same chains.
        """
        super().__init__(trainings)
        self.shape, self.rows = shape, range(len(self.trainings))
        learner = self.trainings[0].learner
        self._schedule = Schedule.of(learner)
        self.weights = initial_weights(trainings, device)
        self.adam = Adam(self.weights, self._schedule)
        precision = torch.float32 if device.type == "cuda" else torch.float64
        self._step_sizes = torch.tensor(self._schedule.step_sizes(steps_before), device=device, dtype=precision)
        self._in_c: TransformersInC | None = None
        self._seconds_per_update = 1.0
        if in_c(learner, device):
            self._in_c = TransformersInC(self.trainings, self.weights, self.adam, self._step_sizes)
            return
        self._gradients = Gradients(self.weights)
        self._architecture = ARCHITECTURES[learner.arguments["arch"]]
        self._drawn: Drawn | None = None
        sets = [training.examples for training in trainings]
        if learner.batch_size is None:
            self._batch = make_batch(sets, device, shape=shape)
        else:
            self._drawn = Drawn(sets, learner.batch_size, shape, device)
            self._batch = self._drawn.batch([[0] * learner.batch_size for _ in sets])  # each update has its own
        self._fused = self._architecture(learner, self.weights, self._gradients, self._batch)
        keys = [training.key for training in trainings]
        self._masks = DropoutMasks(self._architecture.sites(learner, shape), keys, self._batch.places, device)
        self._counter = torch.zeros(1, dtype=torch.long, device=device)
        self._recorded = Recorded(device)

    def advance(self, most: int) -> int:
        """In C as many updates as asked for, if they take no longer than `CALL_SECONDS`; else one."""
        with stacked.taken_for_zero():
            if self._in_c is not None:
                n = min(max(int(CALL_SECONDS / self._seconds_per_update), 1), most)
                started = time.monotonic()
                self.nats = self._in_c.update(self.done, n)
                self._seconds_per_update = (time.monotonic() - started) / n
                return n
            if self._drawn is not None:
                self._draw(self._drawn)
                self._update()
            else:
                self._recorded(self._update)
        return 1

    def take_up(self, state: State, rows: Mapping[int, int], done: int) -> None:
        super().take_up(state, rows, done)
        if self._in_c is None:
            self._counter.fill_(done)

    def _draw(self, drawn: Drawn) -> None:
        """Put together the batch of the next update, as the reference engine draws it."""
        learner = self.trainings[0].learner
        assert learner.batch_size is not None
        self._batch = drawn.batch(
            [drawn_places(each.key, self.done, len(each.examples), learner.batch_size) for each in self.trainings]
        )
        self._fused = self._architecture(learner, self.weights, self._gradients, self._batch)
        self._masks.move(self._batch.places)

    @torch.no_grad()
    def _update(self) -> None:
        """One update from top to bottom; all of it can be recorded, for it waits for nothing and decides nothing."""
        logits = self._fused.forward(self._masks.draw(self._counter[0]))
        self.nats, d_logits = nll(logits, self._batch)
        self._fused.backward(d_logits)
        step_size = self._step_sizes.index_select(0, self._counter)[0]
        self.adam.step(self.weights, self._gradients, step_size)
        self._counter += 1
