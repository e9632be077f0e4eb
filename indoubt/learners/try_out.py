"""A module is tried out on a made-up batch before anything is trained: what would give wrong numbers is refused."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from indoubt.data.vocabulary import EOS
from indoubt.engines.fairseq.randomness import independent_stream
from indoubt.engines.modules.contents import changed, contents_of
from indoubt.engines.modules.overrides import plainly
from indoubt.errors import UserError
from indoubt.learner import EIGHT, Learner, TriedOut
from indoubt.learners.blindness import cannot_tell
from indoubt.learners.plain_comparison import TIMED, Snapshot, difference, same_start, seconds_of, trains_again
from indoubt.learners.shared_state import ELSEWHERE, FirstPass, difference_of
from indoubt.learners.trial import EXAMPLES, FAILURES, Trial
from indoubt.training import Example

#: Logits that should be equal but come from other shapes may differ by so much; by so much where shapes are equal.
TOLERANCE, LEAK = 1e-4, 1e-6
#: Times to which a row is padded to see whether it notices, and symbols that decoding may give.
FAR, LONGEST_OUTPUT = 64, 200


def try_out(learner: Learner, longest: tuple[int, int]) -> TriedOut:
    """Try a resolved learner out.

    Args:
        longest: symbols of the longest source and target that it will meet, `</s>` included.

    Raises:
        UserError: the first fault that is found.
    """
    with torch.random.fork_rng():
        trial = _Checks(learner)
        try:
            trial.build()
            notes = trial.check(longest)
            alone = trial.why_alone()
            arguments = learner.arguments | {"together": alone is None}
            timed = replace(learner, arguments=arguments, updates=TIMED, batch_size=None)
            times = seconds_of(timed, 1), seconds_of(timed, EIGHT)
            in_place = trial.in_place
            return TriedOut(trial.n_weights, alone, notes, *times, in_place, trial.cannot_tell())
        except UserError:
            raise
        except FAILURES as error:
            raise trial.fault(f"fails on a batch of {len(EXAMPLES)} examples: {trial.said(error)}") from error


class _Checks(Trial):
    """What is asked of a module, one after another."""

    #: Whether it draws random numbers that are not dropout's, and whether its dropout's masks hang on the padding.
    draws = masks_hang_on_padding = False
    #: On what dropout acts that does not have the examples in front.
    drops_elsewhere: str | None = None

    def check(self, longest: tuple[int, int]) -> list[str]:
        """All checks but that of training together, in an order in which no message hides a better one."""
        rows = range(len(EXAMPLES))
        weights = dict(self.module.named_parameters())
        first = FirstPass(self)
        self._check_output(rows)
        with self.undone():
            self.trained_on(rows)  # refuses a module that changes its inputs, before that has other consequences
        self._check_evaluation()
        self._check_longest(longest)
        self._check_causal()
        self._check_rows(rows)
        self._check_buffers(rows)
        self._check_weights(weights)
        self._check_dropout(rows)
        notes = self._check_gradients(rows)
        first.check()
        return notes + self._check_seeds()

    def why_alone(self) -> str | None:
        """Why models of this learner cannot be trained together, or None.

        Raises:
            UserError: by itself it could not be trained either.
        """
        why = self._why_alone()
        if why is not None and not trains_again(self.learner, self.builder):
            raise self.fault(f"does not train to the same numbers again, or after a stop: {ELSEWHERE}")
        return why

    def _why_alone(self) -> str | None:
        if self.draws:
            return "it draws random numbers other than dropout's"
        if self.drops_elsewhere is not None:
            return f"its dropout acts on {self.drops_elsewhere}"
        if self.masks_hang_on_padding:
            return "its dropout's masks would depend on the padding: one nn.Dropout has a part in two loops over time"
        with self.undone():
            self.trained_on(range(len(EXAMPLES)))
            snapshot = Snapshot(self.module)
            self.trained_on(range(len(EXAMPLES)))
            moved = snapshot.moved(trained_too=True)
        if moved:
            return f"its forward pass changes {moved[0]} from update to update"
        return difference(self.learner, self.builder)

    def _check_output(self, rows: Sequence[int]) -> None:
        inputs = self.inputs(rows)
        tokens = inputs.where is not None
        self.module.eval()
        try:
            with torch.no_grad(), plainly(), self.only_read(inputs) as given:
                output: Any = self.module(*given)
        except UserError:
            raise
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
        if bool((output >= 0).all()) and bool(((output.sum(-1) - 1).abs() < TOLERANCE).all()):
            raise self.fault("gave probabilities, since each row sums up to 1; give logits, as before a softmax")

    def _check_evaluation(self) -> None:
        before = _streams()
        first, second = (self.evaluated(EXAMPLES) for _ in range(2))
        if not torch.equal(first, second) or _streams() != before:
            raise self.fault(
                "is in eval mode, but two passes differ or draw random numbers (F.dropout drops there too, unless it "
                "is given training=self.training)"
            )

    def _check_causal(self) -> None:
        """Change the last symbol that is fed, after which alone logits may change."""
        row = 1
        length = len(EXAMPLES[row].target)
        whole = self.evaluated([EXAMPLES[row]])[0, : length - 1]
        changed = Example(EXAMPLES[row].source, (*EXAMPLES[row].target[:-2], 5, EOS))
        logits = self.evaluated([changed])[0, : length - 1]
        if not difference_of(whole, logits) < LEAK:
            raise self.fault("has logits that change with a later symbol of the target: it sees what it is to predict")

    def _check_rows(self, rows: Sequence[int]) -> None:
        """Logits of a row alone, and alone but padded far, are those that it has among others."""
        among = self.evaluated(EXAMPLES)
        for row in rows:
            length = len(EXAMPLES[row].target)
            for least in (0, FAR):
                difference = difference_of(self.evaluated([EXAMPLES[row]], least)[0, :length], among[row, :length])
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
            self.evaluated([example])
        except FAILURES as error:
            raise self.fault(
                f"fails on the longest that its tasks ask for, a source of {source} symbols and an output of {target}: "
                f"{self.said(error)}"
            ) from error

    def _check_buffers(self, rows: Sequence[int]) -> None:
        before = contents_of(self.module)
        with self.undone():
            independent_stream("a try", 0)  # so that seeding shows, too
            streams = _streams()
            self.trained_on(rows)
            now, after = contents_of(self.module), _streams()
        if streams[2] != after[2]:
            raise self.fault("draws numpy's random numbers, which no seed here governs; draw torch's")
        self.draws = streams != after
        buffers = dict(self.module.named_buffers())
        for name in changed(before, now):
            if name in buffers and now["tensors"][name].shape == before["tensors"][name].shape:  # no table that grows
                raise self.fault(f"has a buffer ({name}) that changes in training, as batch norm's do")

    def _check_weights(self, built: dict[str, nn.Parameter]) -> None:
        now = dict(self.module.named_parameters())
        made = [name for name, weight in now.items() if built.get(name) is not weight]
        if made or now.keys() != built.keys():
            raise self.fault(
                f"makes weights ({', '.join([*made, *(built.keys() - now.keys())][:3])}) while it runs, which no "
                "optimizer knows that was given its weights before; make them in its constructor"
            )

    def _check_dropout(self, rows: Sequence[int]) -> None:
        """In training too an example is not given other logits by what is beside it; nor are its dropout's masks."""
        self.drops_elsewhere = self._drops_elsewhere()
        if self.draws:
            return  # what it draws cannot be the same for a row alone
        with self.undone():
            self.trained_on(rows)  # what the first pass alone does, is done
            if not torch.equal(self.with_masks(rows, drops=False), self.with_masks(rows, drops=False)):
                raise self.fault(f"gives other logits in training from pass to pass: {ELSEWHERE}")
            if not self._same_by_row(rows, drops=False):
                raise self.fault(
                    "gives an example other logits in training with other examples or padding beside it; mask the "
                    "padding, and use nothing that mixes examples"
                )
            self.masks_hang_on_padding = self.drops_elsewhere is None and not self._same_by_row(rows, drops=True)

    def _same_by_row(self, rows: Sequence[int], drops: bool) -> bool:
        """Whether each row's logits in training are those that it has alone."""
        among = self.with_masks(rows, drops)
        lengths = [len(EXAMPLES[row].target) for row in rows]
        return all(
            difference_of(self.with_masks([row], drops)[0, :length], among[row, :length]) < TOLERANCE
            for row, length in zip(rows, lengths, strict=True)
        )

    def _check_gradients(self, rows: Sequence[int]) -> list[str]:
        self.module.train()
        with self.undone(), plainly():
            logits = self.model.given(self.inputs(rows))
            if not logits.requires_grad:
                raise self.fault("has no weight that its logits depend on")
            logits.square().sum().backward()
        gradients = {name: weight.grad for name, weight in self.module.named_parameters() if weight.requires_grad}
        for weight in self.module.parameters():
            weight.grad = None
        idle = [name for name, gradient in gradients.items() if gradient is None]
        if len(idle) == len(gradients):
            raise self.fault("has no weight that its logits depend on")
        sparse = [name for name, gradient in gradients.items() if gradient is not None and gradient.is_sparse]
        if sparse:
            raise self.fault(
                f"has a table ({sparse[0]}) with sparse=True, whose gradients Adam does not take; leave sparse out"
            )
        return [f"weights that its logits do not depend on: {', '.join(idle[:3])}"] if idle else []

    def _check_seeds(self) -> list[str]:
        """Seeds are different learners."""
        found, _ = self.sites(range(len(EXAMPLES)))
        start = same_start(self.builder, self.vocabulary)
        if start is None:
            return []
        of_chance = {
            "dropout": bool(found) or self.drops_elsewhere is not None,
            "what it draws in training": self.draws,
            "the examples drawn": bool(self.learner.batch_size),
        }
        besides = [what for what, there in of_chance.items() if there]
        if start.all_equal and not besides:
            raise self.fault(
                f"gives all seeds the same weights, since {start.why}, and draws nothing in training, so that they "
                "would all be one; leave the seed to doubt, and draw what seeds differ in with torch"
            )
        if start.all_equal:
            return [f"all seeds start from the same weights, since {start.why}; they differ in {besides[0]} alone"]
        return [f"all seeds start from the same {', '.join(start.equal[:3])}, since {start.why}"]

    @property
    def in_place(self) -> bool:
        """Whether dropout writes into what it is given."""
        with self.undone():
            return self.trained_on(range(len(EXAMPLES))).in_place

    def cannot_tell(self) -> tuple[str, ...]:
        """What it cannot tell apart; its weights are others afterwards."""
        return cannot_tell(self.module, lambda example: self.evaluated([example])[0])

    def _drops_elsewhere(self) -> str | None:
        """What dropout acts on that does not have the examples in front, in words; None: on nothing of the kind."""
        whole, misplaced = self.sites(range(len(EXAMPLES)), FAR)
        one, _ = self.sites([0], FAR)
        grow = (math.prod(each.shape) == len(EXAMPLES) * math.prod(one[site].shape) for site, each in whole.items())
        if not misplaced and whole.keys() == one.keys() and all(grow):
            return None
        alone = [each for site, each in one.items() if site not in whole]
        pairs = zip(misplaced, alone, strict=False)
        if misplaced and all(math.prod(shape) == len(EXAMPLES) * math.prod(each.shape) for shape, each in pairs):
            shape = " x ".join(map(str, misplaced[0]))
            return f"a tensor whose batch does not come first ({shape} for {len(EXAMPLES)} examples)"
        return "a tensor whose first dimension is not the batch, such as a weight"


def _streams() -> tuple[bytes, object, str]:
    """The states of the random generators: torch's, Python's, numpy's."""
    return torch.get_rng_state().numpy().tobytes(), random.getstate(), repr(np.random.get_state())
