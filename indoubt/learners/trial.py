"""A module that is tried out: its size, then built, and run on a made-up batch, each time as if for the first.

Rows of the batch are of several lengths, and batch (3), source time (7) and target time (5) differ, so that none can be
mistaken for another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from indoubt.data.vocabulary import EOS, PAD, JointVocabulary
from indoubt.engines.modules.contents import contents_of, put_back
from indoubt.engines.modules.inputs import Inputs, Takes, make_inputs
from indoubt.engines.modules.loader import Builder, where_it_failed
from indoubt.engines.modules.one_by_one import OwnModule
from indoubt.engines.modules.overrides import Dropout, ModuleSite, SiteShape
from indoubt.engines.modules.stacked_models import SiteMasks
from indoubt.errors import UserError
from indoubt.errors import said as words_of
from indoubt.learner import HuggingFaceLearner, Learner, ModuleLearner
from indoubt.training import Example

SOURCE = ("<s>", "<pad>", "</s>", "<unk>", "a", "b", "madeupword0000", "madeupword0001")
TARGET = ("<s>", "<pad>", "</s>", "<unk>", "A", "B", "madeupword0000", "madeupword0001")
VOCABULARY = JointVocabulary.of(SOURCE, TARGET)
EXAMPLES = (
    Example((4, 4, 5, 4, 5, 4, EOS), (4, 5, EOS)),
    Example((5, 4, EOS), (4, 4, 5, 4, EOS)),
    Example((4, 4, 4, 5, EOS), (5, EOS)),
)
#: Batches of the same shape for three seeds: no two rows that stand in one place are alike, nor all equally long.
SETS = (
    EXAMPLES,
    (
        Example((5, 4, 4, EOS), (5, EOS)),
        Example((4, 5, 5, 5, 4, 4, EOS), (5, 4, 4, EOS)),
        Example((5, EOS), (4, 5, 4, 5, EOS)),
    ),
    (
        Example((4, 4, EOS), (4, 4, 4, 5, EOS)),
        Example((5, 5, 4, 4, 5, EOS), (EOS,)),
        Example((4, 5, 4, 4, 4, 5, EOS), (5, 5, 4, EOS)),
    ),
)


def inputs_of(takes: Takes, examples: Sequence[Example], least: int = 0) -> Inputs:
    """What a module is given for examples, (1, ...); padded to at least so many times."""
    sources, previous = [e.source for e in examples], [(EOS, *e.target[:-1]) for e in examples]
    lengths = torch.tensor([[len(source) for source in sources]])
    return make_inputs(takes, [VOCABULARY], _padded(sources, least), lengths, _padded(previous, least))


def _padded(rows: Sequence[Sequence[int]], least: int) -> Tensor:
    """(1, rows, time) ids."""
    times = max(least, *map(len, rows))
    return torch.tensor([[[*row, *[PAD] * (times - len(row))] for row in rows]])


#: Learners of more weights than this, or of more numbers in buffers, are refused: a run trains hundreds of models.
MOST_WEIGHTS = 50_000_000
#: Numbers that tensors may hold which are made while a module is built, all together: weights and what they come from.
MOST_MADE = 4 * MOST_WEIGHTS

Built = TypeVar("Built")


class TooMuch(Exception):
    """More is made than `MOST_MADE`."""


def guarded(make: Callable[[], Built]) -> Built:
    """What `make` makes, stopped before it takes more memory than any learner may.

    Raises:
        TooMuch: it would.
    """
    with _Guard():
        return make()


def too_large(make: Callable[[], nn.Module]) -> str | None:
    """What a message says of a module that would be too large, or None; no memory is taken for it.

    It is built where tensors have no values, so whatever its code keeps from one time to the next has none either.

    Raises:
        Exception: whatever `make` raises where weights have no values.
    """
    with torch.device("meta"):
        module = make()
    return oversized(module)


def oversized(module: nn.Module) -> str | None:
    """What a message says of a module that is too large, or None."""
    for what, tensors in (("weights", module.parameters()), ("numbers in buffers", module.buffers())):
        held = sum(each.numel() for each in tensors)
        if held > MOST_WEIGHTS:
            return f"would have {held:,} {what}, more than {MOST_WEIGHTS:,}; give smaller sizes"
    return None


class _Guard(TorchDispatchMode):
    """Counts the numbers of the tensors that are made of sizes alone (zeros, random numbers, ...)."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.made = 0

    def __torch_dispatch__(
        self, operation: Any, types: Sequence[type], given: Sequence[Any] = (), named: Mapping[str, Any] | None = None
    ) -> Any:
        sizes = given[0] if given else None
        if isinstance(sizes, list | tuple) and all(isinstance(size, int) for size in sizes):
            self.made += math.prod(sizes)
            if self.made > MOST_MADE:
                raise TooMuch
        found = operation(*given, **dict(named or {}))
        if isinstance(found, Tensor) and not isinstance(sizes, list | tuple) and not _shares(given):
            self.made += found.numel()  # a range, a table of one
            if self.made > MOST_MADE:
                raise TooMuch
        return found


def _shares(given: Sequence[Any]) -> bool:
    """Whether an operation is given a tensor, whose memory its result may be."""
    return any(isinstance(each, Tensor) for each in given)


CPU = torch.device("cpu")
#: What a module's code may raise: a learner that leaves the process by itself is refused like one that fails.
FAILURES = (Exception, SystemExit)


class Trial:
    """One module, and batches of the made-up examples."""

    module: nn.Module

    def __init__(self, learner: Learner) -> None:
        self.about, self.file, self.learner = _about(learner), str(learner.place), learner
        self.builder = Builder(learner)
        self.vocabulary = VOCABULARY

    def build(self) -> None:
        """Build the module, and refuse it if no pass could make up for what it holds."""
        try:
            self.module = self._built()
        except UserError:
            raise
        except FAILURES as error:
            raise self.fault(f"cannot be built: {self.said(error)}") from error
        named = dict(self.module.named_parameters())
        for name, weight in named.items():
            if is_lazy(weight):
                raise self.fault(
                    f"has a layer that finds out its sizes in its first pass ({name}: nn.LazyLinear and its like); "
                    "give the sizes, since weights are drawn and handed to the optimizer before"
                )
            if not weight.numel():
                raise self.fault(f"has a weight without a number in it ({name}); give sizes of 1 or more")
            if weight.requires_grad and self.builder.own_types[name] != torch.float32:
                raise self.fault(
                    f"has a weight of {self.builder.own_types[name]} ({name}); weights are trained in torch.float32, a "
                    "complex one as two of them, which torch.complex joins"
                )
        fault = oversized(self.module)
        if fault is not None:
            raise self.fault(fault)
        self.n_weights = sum(weight.numel() for weight in named.values())
        elsewhere = [each for each in (*named.values(), *self.module.buffers()) if each.device.type != "cpu"]
        if elsewhere:
            raise self.fault(f"puts its weights on {elsewhere[0].device} by itself; leave the device to doubt")
        if not any(weight.requires_grad for weight in named.values()):
            raise self.fault("has no weight to train")
        self.model = OwnModule(self.module, self.vocabulary.target_symbols, CPU)

    def _built(self) -> nn.Module:
        """The module of seed 1; of one that is too large, so much is said without taking its memory."""
        try:
            return guarded(self._module)
        except TooMuch:
            try:
                fault = too_large(self._module)
            except FAILURES:
                fault = None  # what is wrong with it, if it is not its looking at values, is found out without values
            if fault is not None:
                raise self.fault(fault) from None
            return self._module()

    def _module(self) -> nn.Module:
        return self.builder.module(self.vocabulary, seed=1)

    @contextmanager
    def undone(self) -> Iterator[None]:
        """What changes in the module meanwhile is undone: each look is a first one."""
        before = contents_of(self.module)
        try:
            yield
        finally:
            put_back(self.module, before)

    def inputs(self, rows: Sequence[int], least: int = 0) -> Inputs:
        return inputs_of(self.builder.takes, [EXAMPLES[row] for row in rows], least)

    def evaluated(self, examples: Sequence[Example], least: int = 0) -> Tensor:
        """Logits (examples, target time, symbols) in evaluation; padded to at least so many times."""
        with torch.no_grad():
            return self.model.logits(inputs_of(self.builder.takes, examples, least))[0]

    def trained_on(self, rows: Sequence[int], least: int = 0) -> Dropout:
        """A forward pass in training, without dropout; and where there would be some."""
        self.module.train()
        dropout = Dropout(self.module, len(rows), None)
        with torch.no_grad(), dropout.active(), self.only_read(self.inputs(rows, least)) as given:
            self.module(*given)
        return dropout

    @contextmanager
    def only_read(self, inputs: Inputs) -> Iterator[tuple[Tensor, ...]]:
        """What the module is given of a batch, which it must leave as it is: it is given the same at each update."""
        given = tuple(each[0] for each in inputs.given)
        before = [each.clone() for each in given]
        yield given
        if not all(map(torch.equal, given, before)):
            raise self.fault("writes into what its forward is given; clone it first, for it is given it again")

    def sites(self, rows: Sequence[int], least: int = 0) -> tuple[dict[ModuleSite, SiteShape], list[tuple[int, ...]]]:
        """Sites of dropout, and the shapes of those whose first dimension is not the batch."""
        with self.undone():
            dropout = self.trained_on(rows, least)
        return dropout.found, dropout.misplaced

    def with_masks(self, rows: Sequence[int], drops: bool) -> Tensor:
        """Logits (rows, target time, symbols) in training, with the masks of one update or without dropout."""
        masks = SiteMasks(self.sites(rows)[0], ["one"], [list(rows)], CPU).draw(0) if drops else {}
        self.module.train()
        given = {site: mask[0] for site, mask in masks.items()} if drops else None
        dropout = Dropout(self.module, len(rows), given)
        with self.undone(), torch.no_grad(), dropout.active():
            return self.model.given(self.inputs(rows))[0]

    def said(self, error: BaseException) -> str:
        of_device = re.search("cuda|nvidia", str(error), re.IGNORECASE)  # without support, or without a driver
        hint = "; leave the device to doubt" if of_device else ""
        return f"{words_of(error)}{where_it_failed(error, self.file)}{hint}"

    def fault(self, what: str) -> UserError:
        return UserError(f"{self.about} {what}")


def _about(learner: Learner) -> str:
    """What a message calls the learner."""
    if isinstance(learner, HuggingFaceLearner):
        return f"hf {learner.type!r}"
    assert isinstance(learner, ModuleLearner)
    return f"module {learner.file!r}: class {learner.class_name}"
