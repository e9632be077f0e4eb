"""A module is tried out on a made-up batch before anything is trained: what would give wrong numbers is refused."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from torch import Tensor

from doubt.engines.fused.arrays.batch import EOS
from doubt.engines.modules.building import Builder
from doubt.engines.modules.inputs import Inputs
from doubt.engines.modules.loading import where_it_failed
from doubt.engines.modules.masks import SiteMasks
from doubt.engines.modules.models import Maker
from doubt.engines.modules.sites import Dropout
from doubt.errors import UserError
from doubt.errors import said as words_of
from doubt.learners.made_up import EXAMPLES, VOCABULARY, inputs_of
from doubt.learners.sizes import too_large
from doubt.learners.timing import TIMED, seconds_of
from doubt.learners.tried import EIGHT, TriedOut
from doubt.training import Example, Learner

CPU = torch.device("cpu")
#: Logits that should be equal but come from other shapes may differ by so much; by so much where shapes are equal.
TOLERANCE, LEAK = 1e-4, 1e-6
#: Times to which a row is padded to see whether it notices, and symbols that decoding may give.
FAR, LONGEST_OUTPUT = 64, 200
#: What a module's code may raise: a learner that leaves the process by itself is refused like one that fails.
FAILURES = (Exception, SystemExit)


def try_out(learner: Learner, longest: tuple[int, int]) -> TriedOut:
    """Try a resolved learner out.

    Args:
        longest: symbols of the longest source and target that it will meet, `</s>` included.

    Raises:
        UserError: the first fault that is found.
    """
    with torch.random.fork_rng():
        trial = _Trial(learner)
        try:
            notes = trial.check(longest)
            alone = trial.why_alone()
            timed = Learner({**learner.arguments, "together": alone is None}, TIMED, None, learner.user_dir)
            return TriedOut(trial.n_weights, alone, notes, seconds_of(timed, 1), seconds_of(timed, EIGHT))
        except UserError:
            raise
        except FAILURES as error:
            raise trial.fault(f"fails on a batch of {len(EXAMPLES)} examples: {trial.said(error)}") from error


class _Trial:
    """One module, and batches of the made-up examples."""

    def __init__(self, learner: Learner) -> None:
        self.about = _about(learner)
        self.file = str(learner.user_dir)
        self.builder = Builder(learner)
        self.vocabulary = VOCABULARY
        if (fault := self._too_large()) is not None:
            raise self.fault(fault)
        try:
            self.module = self.builder.module(self.vocabulary, seed=1)
        except UserError:
            raise
        except FAILURES as error:
            raise self.fault(f"cannot be built: {self.said(error)}") from error
        empty = [name for name, weight in self.module.named_parameters() if not weight.numel()]
        if empty:
            raise self.fault(f"has a weight without a number in it ({empty[0]}); give sizes of 1 or more")
        self.n_weights = sum(weight.numel() for weight in self.module.parameters())
        elsewhere = [each for each in (*self.module.parameters(), *self.module.buffers()) if each.device.type != "cpu"]
        if elsewhere:
            raise self.fault(f"puts its weights on {elsewhere[0].device} by itself; leave the device to doubt")
        if not any(weight.requires_grad for weight in self.module.parameters()):
            raise self.fault("has no weight to train")
        self.maker = Maker(self.builder, self.vocabulary, CPU)
        self.model = self.maker.of_module(self.module)

    def _too_large(self) -> str | None:
        try:
            return too_large(lambda: self.builder.module(self.vocabulary, seed=1))
        except FAILURES:
            return None  # what is wrong with it, if it is not its looking at values, is found out when it is built

    def check(self, longest: tuple[int, int]) -> list[str]:
        """All checks but that of training together, in an order in which no message hides a better one."""
        rows = range(len(EXAMPLES))
        self._check_output(rows)
        self._check_evaluation(rows)
        self._check_longest(longest)
        self._check_causal()
        self._check_rows(rows)
        self._check_buffers(rows)
        self._check_dropout(rows)
        return self._check_gradients(rows)

    def why_alone(self) -> str | None:
        """Why models of this learner cannot be trained together, or None."""
        before = _streams()
        self._trained(range(len(EXAMPLES)))
        after = _streams()
        if before[2] != after[2]:
            raise self.fault("draws numpy's random numbers, which no seed here governs; draw torch's")
        if before != after:
            return "it draws random numbers other than dropout's"
        inputs = _stacked(self._inputs(range(len(EXAMPLES))), 2)
        try:
            for masks in (self._masks(range(len(EXAMPLES)), ("one", "other")), None):
                together = self.maker.make([1, 2], together=True)
                logits = together.logits(inputs, masks)
                if masks is not None:
                    torch.autograd.grad(logits.sum(), list(together.leaves.values()), allow_unused=True)
                for row, seed in enumerate((1, 2)):
                    alone = self.maker.make([seed], together=False)
                    own = None if masks is None else {site: mask[row : row + 1] for site, mask in masks.items()}
                    difference = _difference(alone.logits(_of_model(inputs, row), own)[0], logits[row])
                    if not difference < TOLERANCE:
                        return f"its logits differ by {difference:.2g} when models run together"
        except Exception as error:
            return f"torch.func.vmap: {shorten(words_of(error).split(': ', 1)[-1], 110, placeholder=' ...')}"
        return None

    def _check_output(self, rows: Sequence[int]) -> None:
        inputs = self._inputs(rows)
        given = tuple(each[0] for each in inputs.given)
        tokens = inputs.where is not None
        self.module.eval()
        try:
            with torch.no_grad(), Dropout(self.module, len(rows), None).active():
                output: Any = self.module(*given)
        except FAILURES as error:
            raise self.fault(f"fails on a batch of {len(rows)} examples: {self.said(error)}") from error
        if not isinstance(output, Tensor):
            raise self.fault(f"gave a {type(output).__name__}; its forward must give a tensor of logits")
        symbols = self.vocabulary.target_symbols if self.builder.takes == "pair" else self.vocabulary.symbols
        whole = (*given[-1].shape, symbols)
        if tuple(output.shape) != whole:
            words = "(batch, time, symbols)" if tokens else "(batch, target time, symbols)"
            raise self.fault(f"gave logits of shape {tuple(output.shape)}; {words} is {whole}")
        if output.dtype != torch.float32:
            raise self.fault(f"gave logits of {output.dtype}; they must be of torch.float32, as its weights are")
        if not bool(output.isfinite().all()):
            raise self.fault("gave logits that are not finite before training")

    def _check_evaluation(self, rows: Sequence[int]) -> None:
        before = _streams()
        first, second = (self._evaluated(EXAMPLES) for _ in range(2))
        if not torch.equal(first, second) or _streams() != before:
            raise self.fault("is in eval mode, but two passes differ or draw random numbers")

    def _check_causal(self) -> None:
        """Change the last symbol that is fed, after which alone logits may change."""
        row = 1
        length = len(EXAMPLES[row].target)
        whole = self._evaluated([EXAMPLES[row]])[0, : length - 1]
        changed = Example(EXAMPLES[row].source, (*EXAMPLES[row].target[:-2], 5, EOS))
        logits = self._evaluated([changed])[0, : length - 1]
        if not _difference(whole, logits) < LEAK:
            raise self.fault("has logits that change with a later symbol of the target: it sees what it is to predict")

    def _check_rows(self, rows: Sequence[int]) -> None:
        """Logits of a row alone, and alone but padded far, are those that it has among others."""
        among = self._evaluated(EXAMPLES)
        for row in rows:
            length = len(EXAMPLES[row].target)
            for least in (0, FAR):
                difference = _difference(self._evaluated([EXAMPLES[row]], least)[0, :length], among[row, :length])
                if not difference < TOLERANCE:
                    raise self.fault(
                        f"gives an example other logits (by {difference:.2g}) with other examples or padding beside "
                        "it; mask the padding, and use nothing that mixes examples (batch norm)"
                    )

    def _check_longest(self, longest: tuple[int, int]) -> None:
        """The longest that its tasks ask for, and 200 symbols of output."""
        source, target = longest[0], max(longest[1], LONGEST_OUTPUT)
        example = Example((4,) * (source - 1) + (EOS,), (4,) * (target - 1) + (EOS,))
        try:
            self._evaluated([example])
        except FAILURES as error:
            raise self.fault(
                f"fails on the longest that its tasks ask for, a source of {source} symbols and an output of {target}: "
                f"{self.said(error)}"
            ) from error

    def _check_dropout(self, rows: Sequence[int]) -> None:
        """Dropout acts on examples, and does not depend on the padding."""
        _, misplaced = self.model.look(self._inputs(rows))
        if misplaced:
            raise self.fault(
                f"has dropout that acts on a tensor of shape {misplaced[0]}, whose first dimension is not the batch"
            )
        before = _streams()
        among = self._trained(rows)
        if _streams() != before:
            return  # what it draws besides cannot be the same for a row alone
        for row in rows:
            length = len(EXAMPLES[row].target)
            if not _difference(self._trained([row])[0, :length], among[row, :length]) < TOLERANCE:
                raise self.fault(
                    "gives an example other logits in training with other padding, its dropout's masks being the same; "
                    "give each loop over time an nn.Dropout of its own"
                )

    def _check_buffers(self, rows: Sequence[int]) -> None:
        before = {name: value.clone() for name, value in self.module.named_buffers()}
        self.module.train()
        with torch.no_grad(), Dropout(self.module, len(rows), None).active():
            self.module(*(each[0] for each in self._inputs(rows).given))
        changed = [name for name, value in self.module.named_buffers() if not torch.equal(value, before[name])]
        if changed:
            raise self.fault(f"has a buffer ({changed[0]}) that changes in training, as batch norm's do")

    def _check_gradients(self, rows: Sequence[int]) -> list[str]:
        logits = self.model.logits(self._inputs(rows), self._masks(rows, ("one",)))
        if not logits.requires_grad:
            raise self.fault("has no weight that its logits depend on")
        leaves = self.model.leaves
        found = torch.autograd.grad(logits.square().sum(), list(leaves.values()), allow_unused=True)
        idle = [name for name, gradient in zip(leaves, found, strict=True) if gradient is None]
        if len(idle) == len(leaves):
            raise self.fault("has no weight that its logits depend on")
        return [f"weights that its logits do not depend on: {', '.join(idle[:3])}"] if idle else []

    def _inputs(self, rows: Sequence[int]) -> Inputs:
        return inputs_of(self.builder.takes, [EXAMPLES[row] for row in rows])

    def _evaluated(self, examples: Sequence[Example], least: int = 0) -> Tensor:
        """Logits (examples, target time, symbols) in evaluation; padded to at least so many times."""
        with torch.no_grad():
            return self.model.logits(inputs_of(self.builder.takes, examples, least), None)[0]

    def _trained(self, rows: Sequence[int]) -> Tensor:
        """Logits (rows, target time, symbols) in training, with the masks of one update."""
        with torch.no_grad():
            return self.model.logits(self._inputs(rows), self._masks(rows, ("one",)))[0]

    def _masks(self, rows: Sequence[int], keys: Sequence[str]) -> dict[Any, Tensor]:
        found = self.model.sites(self._inputs(rows))
        return SiteMasks(found, keys, [list(rows)] * len(keys), CPU).draw(0)

    def said(self, error: BaseException) -> str:
        of_device = re.search("cuda|nvidia", str(error), re.IGNORECASE)  # without support, or without a driver
        hint = "; leave the device to doubt" if of_device else ""
        return f"{words_of(error)}{where_it_failed(error, self.file)}{hint}"

    def fault(self, what: str) -> UserError:
        return UserError(f"{self.about} {what}")


def _about(learner: Learner) -> str:
    """What a message calls the learner."""
    if "hf" in learner.arguments:
        return f"hf {learner.arguments['hf']!r}"
    name = str(learner.arguments["module"]).rsplit(".", 1)[1]
    return f"module {learner.user_dir!r}: class {name}"


def _stacked(inputs: Inputs, models: int) -> Inputs:
    """The same for several models."""

    def repeat(x: Tensor) -> Tensor:
        return x.expand(models, *x.shape[1:]).contiguous()

    return Inputs(tuple(map(repeat, inputs.given)), None if inputs.where is None else repeat(inputs.where))


def _of_model(inputs: Inputs, row: int) -> Inputs:
    where = None if inputs.where is None else inputs.where[row : row + 1]
    return Inputs(tuple(each[row : row + 1] for each in inputs.given), where)


def _difference(one: Tensor, other: Tensor) -> float:
    return float((one - other).detach().abs().max())


def _streams() -> tuple[bytes, object, str]:
    """The states of the random generators: torch's, Python's, numpy's."""
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), repr(np.random.get_state())
