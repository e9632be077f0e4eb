"""One training as a plain PyTorch loop: the module itself, autograd, and an optimizer that goes from weight to weight.

So what stacked weights would change keeps its meaning: hooks on tensors, weights and modules, code that runs again in
the backward pass, weights without a gradient, state that a forward pass changes, random numbers of every kind. They
come from a stream that is seeded for the training and the update.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from indoubt.engines.backend import Lockstep, State
from indoubt.engines.fairseq.randomness import independent_stream
from indoubt.engines.fused import stacked
from indoubt.engines.fused.adam import Adam, Schedule, nll
from indoubt.engines.fused.batches import Shape
from indoubt.engines.fused.parameters import Block, Parameters
from indoubt.engines.modules.contents import contents_of, put_back
from indoubt.engines.modules.inputs import Batches, Inputs, ModuleBatch, vocabulary_of
from indoubt.engines.modules.loader import Builder
from indoubt.engines.modules.overrides import Dropout, ModuleSite, plainly
from indoubt.engines.weights import Weights
from indoubt.training import Training


class OwnModule:
    """A module that is asked as it is, in evaluation: what `Models` are, for one model."""

    together = False

    def __init__(self, module: nn.Module, target_symbols: int, device: torch.device) -> None:
        self.module, self.target_symbols, self.device = module.to(device), target_symbols, device

    def select(self, rows: Sequence[int]) -> OwnModule:
        """The one model, which is row 0."""
        assert list(rows) == [0]
        return self

    def alone(self, row: int) -> OwnModule:
        return self.select([row])

    def logits(self, inputs: Inputs, masks: None = None) -> Tensor:
        """(1, batch, target time, target symbols)."""
        self.module.eval()
        with plainly():
            return self.given(inputs)

    def given(self, inputs: Inputs) -> Tensor:
        """The same, in whichever mode the module is."""
        logits: Tensor = self.module(*(each[0] for each in inputs.given))[..., : self.target_symbols]
        if inputs.where is not None:
            logits = logits.gather(1, inputs.where[0][..., None].expand(-1, -1, self.target_symbols))
        return logits.unsqueeze(0)


class AdamOfEach(Adam):
    """fairseq's Adam as fairseq itself takes its step: weight by weight, and of those that have a gradient.

    (fairseq/optim/adam.py; its trainer clips before.)
    """

    def __init__(self, named: Mapping[str, nn.Parameter], weights: Parameters, schedule: Schedule, steps: int) -> None:
        """
        Args:
            named: a module's weights; `weights` have their form.
            steps: that the moments have seen.
        """
        super().__init__(weights, schedule)
        self._named = named
        #: How many steps each weight has had.
        self.steps = dict.fromkeys(named, steps)

    @torch.no_grad()
    def step_of_update(self, update: int) -> None:
        """Clip the gradient, then update each weight that has one."""
        given = {name: weight for name, weight in self._named.items() if weight.grad is not None}
        if self._schedule.clip_norm > 0:
            nn.utils.clip_grad_norm_(list(given.values()), self._schedule.clip_norm)
        beta1, beta2 = self._schedule.betas
        for name, weight in given.items():
            gradient = weight.grad
            assert gradient is not None
            first, second = (each.values[name][0].view_as(weight) for each in (self.first, self.second))
            first.mul_(beta1).add_(gradient, alpha=1 - beta1)
            second.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)
            self.steps[name] += 1
            correction = math.sqrt(1 - beta2 ** self.steps[name]) / (1 - beta1 ** self.steps[name])
            size = self._schedule.rate(update) * correction
            weight.addcdiv_(first, second.sqrt().add_(self._schedule.eps), value=-size)


class PlainTraining(Lockstep):
    """A training in progress; `nats` is the loss of the last update, (1,)."""

    def __init__(
        self,
        training: Training,
        builder: Builder,
        shape: Shape,
        device: torch.device,
        steps_before: int,
        masks: Callable[[int, ModuleBatch], dict[ModuleSite, Tensor]] | None = None,
    ) -> None:
        """
        Args:
            shape: what batches are padded to.
            steps_before: steps that Adam's moments have seen in earlier blocks of the same chain.
            masks: of each update and batch, each (batch, ...), instead of torch's own dropout.
        """
        super().__init__([training])
        vocabulary = vocabulary_of(training)
        self.module = builder.module(vocabulary, training.seed).to(device)
        self.models = OwnModule(self.module, vocabulary.target_symbols, device)
        self._named = {name: each for name, each in self.module.named_parameters() if each.is_floating_point()}
        shapes = {name: weight.shape or torch.Size([1]) for name, weight in self._named.items()}
        self._weights = Parameters([Block(name, (name,)) for name in shapes], shapes, 1, device)
        self.adam = AdamOfEach(self._named, self._weights, Schedule.of(training.learner), steps_before)
        self.batches = Batches([training], builder.takes, shape, device)
        self._masks = masks
        self.nats = torch.zeros(1, device=device)

    def advance(self, most: int) -> int:
        """Update the module once: forward, loss, backward, step."""
        independent_stream(self.trainings[0].key, self.done)
        given = self.batches.at(self.done)
        self.module.train()
        for weight in self._named.values():
            weight.grad = None
        with stacked.taken_for_zero(), plainly():
            with self._dropout(given):
                logits = self.models.given(given.inputs)
            with torch.no_grad():
                self.nats, d_logits = nll(logits.detach(), given.batch)
            logits.backward(d_logits)
            self.adam.step_of_update(self.done)
        return 1

    def losses_finite(self) -> list[bool]:
        return [bool(self.nats.isfinite())]

    def weights_finite(self) -> list[bool]:
        return [all(bool(weight.isfinite().all()) for weight in self._named.values())]

    @property
    def weights(self) -> Parameters:
        """A copy of the weights as they are now."""
        with torch.no_grad():
            for name, weight in self._named.items():
                self._weights.values[name][0].copy_(weight.view_as(self._weights.values[name][0]))
        return self._weights

    def state(self) -> State:
        return {"contents": contents_of(self.module), **self._of_adam()}

    def begin_from(self, row: int, weights: Weights) -> None:
        self.module.load_state_dict(weights.state)
        if weights.contents is not None:
            put_back(self.module, weights.contents)

    def take_up(self, state: State, rows: Mapping[int, int], done: int) -> None:
        if "contents" in state:
            put_back(self.module, state["contents"])
        self.adam.first.flat.copy_(state["first"])
        self.adam.second.flat.copy_(state["second"])
        self.adam.steps = dict(state["steps"])

    def carried(self, row: int, following: Training) -> State:
        return self._of_adam()

    def _of_adam(self) -> State:
        """Its moments, and how many steps each weight has had."""
        moments = {"first": self.adam.first.flat.clone(), "second": self.adam.second.flat.clone()}
        return {**moments, "steps": dict(self.adam.steps)}

    @contextmanager
    def asked(self) -> Iterator[OwnModule]:
        """The model, to be asked something; whatever that changes in the module is undone."""
        before = contents_of(self.module)
        yield self.models
        put_back(self.module, before)

    def _dropout(self, given: ModuleBatch) -> Any:
        if self._masks is None:
            return nullcontext()
        return Dropout(self.module, given.batch.target.size(1), self._masks(self.done, given)).active()
