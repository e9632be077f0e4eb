"""What a learner of a user's own is known by: all that it computes with, as two hashes.

The first is of its code and of what that reads: its engine's code and its own, all own files that this imports or that
lie behind what it names, versions of packages, and the content of files and variables of the environment that are read
while it is imported, built and run. The second is of values: what the constructor makes for a fixed seed, and the
constants, closures, defaults and attributes that the code names, as they are in memory.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import nn

from indoubt.engines.modules.loader import GIVEN, Builder, load_class, located, read_on_import
from indoubt.engines.modules.user_code import reading
from indoubt.errors import UserError
from indoubt.files import ROOT
from indoubt.learners.made_up import EXAMPLES, VOCABULARY, inputs_of
from indoubt.learners.modules import BUILT_IN
from indoubt.learners.sizes import too_large
from indoubt.training import Learner
from indoubt.workflow.planning.identity import MODULES_THEN
from indoubt.workflow.planning.learner_code import beyond_its_folder, joined, own_code, versions
from indoubt.workflow.planning.values import Values

#: The seed of the module that is looked at.
SEED = 1


def is_users_module(learner: Learner) -> bool:
    """Whether a learner is a class of a user's own, of a file or of a session, and not built in or Hugging Face's."""
    if "module" not in learner.arguments:
        return False
    file, _ = located(learner)
    return file in GIVEN or not (ROOT / file).resolve().is_relative_to(BUILT_IN)


def own_of(learner: Learner) -> str:
    """What a learner that is a user's own module computes with now: the hash of code, `-`, the hash of values.

    Raises:
        UserError: two modules of one seed have different weights.
        Exception: whatever its code raises.
    """
    file, name = located(learner)
    with _streams_kept(), torch.compiler.set_stance("force_eager"), reading() as read:
        kind, builder = load_class(file, name), Builder(learner)
        if fault := too_large(lambda: builder.module(VOCABULARY, SEED)):
            raise UserError(f"class {name} {fault}")
        _forget(kind)
        _run(builder, builder.module(VOCABULARY, SEED))  # first: what it imports there is then there for all
        one, other = (builder.module(VOCABULARY, SEED) for _ in range(2))
    made, exact = Values(rough=True), Values()
    of_made = made.of_module(one)
    _check_weights(kind, one, of_made, Values(rough=True).of_module(other))
    steady = Values().of_module(one).items() & Values().of_module(other).items()  # no clock's time, no drawn name
    values = joined([exact.of(kind), *(f"{name} {of_made[name]}" for name, _ in sorted(steady))])
    more, live = (read | read_on_import(kind)).parts(), exact.files | made.files
    if file in GIVEN:
        more += beyond_its_folder(live, (), ()) + sorted(versions(exact.packages | made.packages))
        more += [] if exact.plain else ["values"]  # which no earlier version counted
        code = joined([*exact.texts(), *more, *_others(made.texts(), exact.texts())])
    else:
        code = own_code(MODULES_THEN, ROOT / file, [*more, *exact.texts(), *_others(made.texts(), exact.texts())], live)
    return f"{code}-{values}"


def _others(texts: list[str], known: list[str]) -> list[str]:
    return [text for text in texts if text not in known]


def _forget(kind: type[nn.Module]) -> None:
    """Have a learner's functions forget what they remember, so that what they read for it is read now."""
    values = Values()
    values.of(kind)
    for cache in values.caches:
        cache.cache_clear()


def _check_weights(
    kind: type[nn.Module], module: nn.Module, made: Mapping[str, str], remade: Mapping[str, str]
) -> None:
    names = [name for name, _ in (*module.named_parameters(), *module.named_buffers())]
    for name in names:
        place = name if "." in name else f".{name}"
        if made[place] != remade.get(place):
            raise UserError(
                f"class {kind.__name__} gives two modules of one seed different weights ({name}): draw them with "
                "torch's random numbers, which the seed governs"
            )


def _run(builder: Builder, module: nn.Module) -> None:
    """Have a module read what it reads in a pass, in training and in evaluation."""
    given = tuple(each[0] for each in inputs_of(builder.takes, EXAMPLES).given)
    with torch.no_grad():
        for training in (True, False):
            module.train(training)(*given)


@contextlib.contextmanager
def _streams_kept() -> Iterator[None]:
    """While it lasts random numbers are drawn from streams that are then put back: torch's, Python's, numpy's."""
    python, numpys = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpys)
