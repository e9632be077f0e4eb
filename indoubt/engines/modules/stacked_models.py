"""Many models of one learner, as one: their weights stacked, their forward pass by `vmap`, and their dropout masks.

On the CPU they come in multiples of 8, filled up with repeats of the first. So a model's bits do not depend on how many
there are, or where it stands: a vectorised loop ends with a model, and a product of one model takes the same way as one
of many. (What else it takes: times that are even numbers, and MKL's products as `engine` sets them.)

Masks come from the counter-based generator that the fused learners have. A place is numbered by the name of the module
that drops, the number of its call, and the indices of all dimensions after the batch, each counted from an example's
own first symbol.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from indoubt.data.vocabulary import JointVocabulary
from indoubt.engines.fused.architectures import CPU_WEIGHTS, GPU_MODELS, GPU_SHARE, free_memory
from indoubt.engines.fused.batches import Shape
from indoubt.engines.fused.dropout import GOLDEN, NumberedPlaces, hashed, mixed, rows_of
from indoubt.engines.fused.parameters import Block, Parameters
from indoubt.engines.modules.inputs import Inputs
from indoubt.engines.modules.loader import Builder, constants_of, trained_of
from indoubt.engines.modules.overrides import Dropout, ModuleSite, SiteShape

Name = TypeVar("Name", str, ModuleSite)

#: Locksteps on the CPU hold a multiple of this many models, and at most so many: beyond, a model costs no less.
MULTIPLE, CPU_MODELS = 8, 32


@dataclass(frozen=True)
class Constants:
    """What models compute with and do not train: equal in all seeds (`shared`), or stacked, (models, ...)."""

    shared: dict[str, Tensor]
    stacked: dict[str, Tensor]

    def select(self, rows: Sequence[int]) -> Constants:
        return Constants(self.shared, {name: value[list(rows)] for name, value in self.stacked.items()})


class Models:
    """Models of one learner for dictionaries of one size.

    `weights` are the trained ones; forward passes use `leaves`, views of them that autograd gives gradients of.
    """

    def __init__(
        self, module: nn.Module, weights: Parameters, constants: Constants, target_symbols: int, together: bool
    ) -> None:
        """
        Args:
            module: one of the models; its own weights are not used.
            target_symbols: how many logits count.
            together: whether `vmap` runs them; else there is one.
        """
        self.module, self.weights, self.constants = module, weights, constants
        self.target_symbols, self.together = target_symbols, together
        single = {name for name, weight in module.named_parameters() if weight.dim() == 0}
        self.leaves = {
            name: (value.squeeze(1) if name in single else value).detach().requires_grad_()
            for name, value in weights.values.items()
        }

    @property
    def device(self) -> torch.device:
        return self.weights.flat.device

    def select(self, rows: Sequence[int]) -> Models:
        """Some of the models, in the order of `rows`: copies."""
        weights = self.weights.select(rows)
        return Models(self.module, weights, self.constants.select(rows), self.target_symbols, self.together)

    def alone(self, row: int) -> Models:
        """One of the models, to be run without `vmap`."""
        weights = self.weights.like(1)
        weights.put(0, self.weights, row)
        return Models(self.module, weights, self.constants.select([row]), self.target_symbols, False)

    def logits(self, inputs: Inputs, masks: Mapping[ModuleSite, Tensor] | None) -> Tensor:
        """(models, batch, target time, target symbols).

        Args:
            masks: of each site of dropout, (models, batch, ...), in training; None: for evaluation.
        """
        self.module.train(masks is not None)
        masks, where, stacked = dict(masks or {}), inputs.where, self.constants.stacked
        if self.together:
            in_dims = (0, 0, 0, None if where is None else 0, 0)
            logits: Tensor = vmap(self._one, in_dims)(self.leaves, stacked, inputs.given, where, masks)
            return logits
        given = tuple(each[0] for each in inputs.given)
        where = None if where is None else where[0]
        return self._one(_first(self.leaves), _first(stacked), given, where, _first(masks)).unsqueeze(0)

    def sites(self, inputs: Inputs) -> dict[ModuleSite, SiteShape]:
        """Where the first model drops on its batch, in training; all others do so too."""
        found, _ = self.look(inputs)
        return found

    def look(self, inputs: Inputs) -> tuple[dict[ModuleSite, SiteShape], list[tuple[int, ...]]]:
        """The first model's sites of dropout, and the shapes of those whose first dimension is not the batch."""
        self.module.train()
        weights = _first(self.leaves) | self.constants.shared | _first(self.constants.stacked)
        given = tuple(each[0] for each in inputs.given)
        dropout = Dropout(self.module, given[0].size(0), None, batched=True)
        with torch.no_grad(), dropout.active():
            functional_call(self.module, weights, given)
        return dropout.found, dropout.misplaced

    def _one(
        self,
        weights: dict[str, Tensor],
        stacked: dict[str, Tensor],
        given: tuple[Tensor, ...],
        where: Tensor | None,
        masks: dict[ModuleSite, Tensor],
    ) -> Tensor:
        """One model's logits, (batch, target time, target symbols)."""
        dropout = Dropout(self.module, given[0].size(0), masks, batched=True)
        with dropout.active():
            logits: Tensor = functional_call(self.module, weights | self.constants.shared | stacked, given)
        logits = logits[..., : self.target_symbols]
        if where is None:
            return logits
        return logits.gather(1, where[..., None].expand(-1, -1, self.target_symbols))


def _first(stacked: Mapping[Name, Tensor]) -> dict[Name, Tensor]:
    """The first model's part of each."""
    return {name: value[0] for name, value in stacked.items()}


class Maker:
    """Makes models of a learner for dictionaries of one size."""

    def __init__(self, builder: Builder, vocabulary: JointVocabulary, device: torch.device) -> None:
        self._builder, self._vocabulary, self._device = builder, vocabulary, device
        self.takes, self.target_symbols = builder.takes, vocabulary.target_symbols
        one, other = (builder.module(vocabulary, seed) for seed in (0, 1))
        self.shapes = {name: weight.shape for name, weight in trained_of(one).items()}
        #: Constants that depend on the seed: decided by two seeds that always are the same, not by who is there.
        others = constants_of(other)
        self._of_seed = {name for name, value in constants_of(one).items() if not torch.equal(value, others[name])}
        self.weights = sum(shape.numel() for shape in self.shapes.values())

    def together(self, shape: Shape) -> int:
        """How many models with batches of this shape a lockstep may hold; 1: each alone, by no `vmap`."""
        if self._device.type == "cpu":
            most = min(CPU_MODELS, CPU_WEIGHTS // self.weights) // MULTIPLE * MULTIPLE
            return most if most >= MULTIPLE else 1
        # Weights, gradients and two moments of 4 bytes, and an allowance for what each weight's use at each place
        # keeps for the backward pass. Where it falls short, locksteps are halved.
        places, room = shape.batch * (shape.source + shape.target), free_memory(self._device) * GPU_SHARE
        return max(1, min(GPU_MODELS, int(room / (self.weights * (16 + 4 * places)))))

    def of_module(self, module: nn.Module) -> Models:
        """A model that is there already, alone."""
        weights = self._no_weights(1)
        weights.load(0, trained_of(module))
        return Models(module.to(self._device), weights, Constants(constants_of(module), {}), self.target_symbols, False)

    def _no_weights(self, models: int) -> Parameters:
        return Parameters([Block(name, (name,)) for name in self.shapes], self.shapes, models, self._device)

    def make(self, seeds: Sequence[int], together: bool) -> Models:
        """Models of these seeds, initialised, in this order."""
        weights = self._no_weights(len(seeds))
        built: dict[int, nn.Module] = {}
        for row, seed in enumerate(seeds):
            if seed not in built:
                built[seed] = self._builder.module(self._vocabulary, seed)
            weights.load(row, trained_of(built[seed]))
        constants = {seed: constants_of(module) for seed, module in built.items()}
        stacked = {
            name: torch.stack([constants[seed][name] for seed in seeds]).to(self._device) for name in self._of_seed
        }
        module = built[seeds[0]].to(self._device)
        shared = {name: value for name, value in constants_of(module).items() if name not in self._of_seed}
        return Models(module, weights, Constants(shared, stacked), self.target_symbols, together)


def filled_up(rows: Sequence[int], together: bool, device: torch.device) -> list[int]:
    """Rows with repeats of the first, so that on the CPU there are a multiple of 8."""
    missing = -len(rows) % MULTIPLE if together and device.type == "cpu" else 0
    return [*rows, *[rows[0]] * missing]


class SiteMasks:
    """The masks of a lockstep's models at each update."""

    def __init__(
        self,
        found: Mapping[ModuleSite, SiteShape],
        keys: Sequence[str],
        places: Sequence[Sequence[int]],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """
        Args:
            found: each site's shape, batch first, and probability, as a forward pass over such a batch has them.
            keys: identity of each model's training.
            places: for each model and row, which of its training's examples stands there.
        """
        self._shapes = {site: each.shape[1:] for site, each in found.items()}
        self._rows = rows_of(keys, places, device)
        self._stand = places  # which example stands in each of them
        counters = [_counters(site, shape) for site, shape in self._shapes.items()]
        self._places = NumberedPlaces(counters, [each.p for each in found.values()], device, dtype)

    def move(self, places: Sequence[Sequence[int]]) -> None:
        """From now on the examples, or draws, stand in other rows: for each model and row, which."""
        device = self._rows.device
        of_place = torch.empty_like(self._rows)
        of_place.scatter_(1, torch.tensor(self._stand, device=device), self._rows)
        self._rows, self._stand = of_place.gather(1, torch.tensor(places, device=device)), places

    def draw(self, update: int) -> dict[ModuleSite, Tensor]:
        """The masks of one update, each (models, batch, ...)."""
        if not self._shapes:
            return {}
        kept = self._places.draw(self._rows, update)
        parts = kept.split([math.prod(shape) for shape in self._shapes.values()], -1)
        return {
            site: part.unflatten(-1, (*shape, 1)).squeeze(-1)
            for (site, shape), part in zip(self._shapes.items(), parts, strict=True)
        }


def _counters(site: ModuleSite, shape: Sequence[int]) -> Tensor:
    """A number for each place of a site, (places,): the site's name and call and one index after the other, mixed."""
    counters = torch.tensor([hashed(f"{site.module}/{site.call}")])
    for size in shape:
        counters = mixed(counters[:, None] + torch.arange(1, size + 1) * GOLDEN).flatten()
    return counters
