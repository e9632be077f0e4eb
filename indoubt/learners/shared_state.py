"""State that modules of a class share: what a pass counts or flips on the class, or in a variable of its file.

No saved state holds it, and no seed governs it: a module's numbers would hang on which others were trained or evaluated
before it in the same process. So none may change between passes, and passes may not change what later ones compute.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from torch import Tensor, nn

from indoubt.engines.fairseq.randomness import independent_stream
from indoubt.engines.modules.contents import contents_of, plain_copy, put_back, same_value
from indoubt.engines.modules.overrides import plainly
from indoubt.engines.modules.user_code import is_own
from indoubt.learners.trial import EXAMPLES, FAILURES, Trial

#: Passes in both modes after which a module must compute what it computed at first, and how far it may be off.
PASSES, TOLERANCE = 3, 1e-4
#: What no saved state and no seed governs.
ELSEWHERE = (
    "it keeps what changes elsewhere than in its weights and attributes (as numbers, texts, tensors or lists of them), "
    "or draws from a generator of its own; keep it there, and draw from torch's"
)


class FirstPass:
    """What a module that is tried out computes before anything else was asked of it."""

    def __init__(self, trial: Trial) -> None:
        self._trial, self._built = trial, contents_of(trial.module)
        self._first: list[Tensor] | None = None
        with contextlib.suppress(*FAILURES):  # the checks that follow say better what is wrong
            self._first = self._computed()

    def check(self) -> None:
        """No pass changes what all modules of the class share, or what is computed afterwards, in either mode.

        Raises:
            UserError: one does.
        """
        if self._first is None:
            return
        with self._trial.undone():
            put_back(self._trial.module, self._built)
            self._computed()
            shared = SharedValues(self._trial.module)
            for _ in range(PASSES):
                now = self._computed()
                moved = shared.moved()
                if moved:
                    raise self._trial.fault(
                        f"changes {moved[0]} from pass to pass, which all seeds share and no saved state holds; keep "
                        "it in an attribute of the module"
                    )
                off = (
                    difference_of(one, other) / max(1.0, float(one.abs().max()))
                    for one, other in zip(self._first, now, strict=True)
                )
                if any(each > TOLERANCE for each in off):
                    raise self._trial.fault(f"computes something else once it was trained or evaluated: {ELSEWHERE}")

    def _computed(self) -> list[Tensor]:
        """Logits and gradients in training, for one state of the random streams, then logits in evaluation."""
        trial = self._trial
        trial.module.train()
        with trial.undone(), plainly():
            independent_stream("a try", 0)
            logits = trial.model.given(trial.inputs(range(len(EXAMPLES))))
            logits.square().sum().backward()
        gradients = [weight.grad for weight in trial.module.parameters()]
        for weight in trial.module.parameters():
            weight.grad = None
        with trial.undone():
            evaluated = trial.evaluated(EXAMPLES)
        return [logits.detach(), *(each.to_dense() for each in gradients if each is not None), evaluated]


def difference_of(one: Tensor, other: Tensor) -> float:
    """The largest difference of two tensors' numbers."""
    return float((one - other).detach().abs().max())


class SharedValues:
    """The plain values that a module's classes and their code's global names had at one time."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._before = _values(module)

    def moved(self) -> list[str]:
        """Names of values that are others now. What has only grown is none of them, as a table of what was computed."""
        now = _values(self._module)
        return [name for name, value in self._before.items() if name in now and _is_another(value, now[name])]


def _values(module: nn.Module) -> dict[str, Any]:
    """Copies of all plain values by name."""
    copies = {name: plain_copy(value) for name, value in _places(module)}
    return {name: value for name, (value, plain) in copies.items() if plain}


def _places(module: nn.Module) -> Iterator[tuple[str, Any]]:
    """What is shared: attributes of the user's classes, and the global variables that their code names."""
    waiting: list[Any] = [kind for each in module.modules() for kind in type(each).__mro__]
    known = set(map(id, waiting))
    while waiting:
        each = waiting.pop()
        if not _is_users(each):
            continue
        if isinstance(each, type):
            named = {f"{each.__name__}.{name}": value for name, value in vars(each).items()}
        else:
            variables = each.__globals__
            named = {name: variables[name] for name in sorted(_names(each.__code__)) if name in variables}
        for name, value in named.items():
            value = getattr(value, "__func__", getattr(value, "fget", value))
            if not isinstance(value, type | FunctionType):
                yield name, value
            elif id(value) not in known:
                known.add(id(value))
                waiting.append(value)


def _is_users(each: Any) -> bool:
    """Whether a class or function is from a file of a user's own, or from a notebook."""
    home = sys.modules.get(each.__module__)
    return is_own(getattr(home, "__file__", None) or "<a notebook>")


def _names(code: CodeType) -> set[str]:
    """The names that code says, that of the functions in it included."""
    within = (each for each in code.co_consts if isinstance(each, CodeType))
    return {*code.co_names, *(name for each in within for name in _names(each))}


def _is_another(before: Any, now: Any) -> bool:
    """Whether a value has changed otherwise than by growing: a number, a text, a tensor of the same shape."""
    if isinstance(before, dict) and isinstance(now, dict):
        return any(key in now and _is_another(value, now[key]) for key, value in before.items())
    if isinstance(before, list | tuple) and isinstance(now, list | tuple):
        return any(map(_is_another, before, now))
    if isinstance(before, Tensor) and isinstance(now, Tensor) and before.shape != now.shape:
        return False
    return not same_value(before, now)
