"""What a learner of a user's own is known by, all that it computes with, as two hashes; and its definition resolved.

The first is of its code and of what that reads: its engine's code and its own, all own files that this imports or that
lie behind what it names, versions of packages, and the content of files and variables of the environment that are read
while it is imported, built and run. The second is of values: what the constructor makes for a fixed seed, and the
constants, closures, defaults and attributes that the code names, as they are in memory.

Run as `python -m indoubt.workflow.own_learners CACHE`, it does what `indoubt.learners.resolution` does for all others;
but each time that a run is planned, since only a learner that is built shows what its constructor has read.
"""

from __future__ import annotations

import contextlib
import json
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TypeGuard

import numpy as np
import torch
from torch import nn

from indoubt.engines.modules.loader import GIVEN, Builder, load_class, read_on_import
from indoubt.engines.modules.user_code import reading
from indoubt.errors import UserError, said
from indoubt.files import ROOT, write_atomically
from indoubt.learner import Keys, Learner, ModuleLearner, TriedOut, kind_of
from indoubt.learners.module_definitions import BUILT_IN, learner_of, with_trial
from indoubt.learners.resolution import answer, resolve_any
from indoubt.learners.trial import EXAMPLES, VOCABULARY, inputs_of, too_large
from indoubt.learners.try_out import try_out
from indoubt.training import Protocol, digest
from indoubt.workflow.code_hash import beyond_its_folder, code_hash, joined, own_code, versions
from indoubt.workflow.identity import MODULES_THEN
from indoubt.workflow.values import Values

#: The seed of the module that is looked at.
SEED = 1


def is_users_module(learner: Learner) -> TypeGuard[ModuleLearner]:
    """Whether a learner is a class of a user's own, of a file or of a session, and not built in or Hugging Face's."""
    if not isinstance(learner, ModuleLearner):
        return False
    return learner.file in GIVEN or not (ROOT / learner.file).resolve().is_relative_to(BUILT_IN)


def own_of(learner: ModuleLearner) -> str:
    """What a learner that is a user's own module computes with now: the hash of code, `-`, the hash of values.

    Raises:
        UserError: two modules of one seed have different weights.
        Exception: whatever its code raises.
    """
    file, name = learner.file, learner.class_name
    with _streams_kept(), torch.compiler.set_stance("force_eager"), reading() as read:
        kind, builder = load_class(file, name), Builder(learner)
        if fault := too_large(lambda: builder.module(VOCABULARY, SEED)):
            raise UserError(f"class {name} {fault}")
        _forget(kind)
        _run(builder, builder.module(VOCABULARY, SEED))  # first: what it imports there is then there for all
        one, other = (builder.module(VOCABULARY, SEED) for _ in range(2))
    of_instance, exact = Values(rough=True), Values()
    of_made = of_instance.of_module(one)
    _check_weights(kind, one, of_made, Values(rough=True).of_module(other))
    steady = Values().of_module(one).items() & Values().of_module(other).items()  # no clock's time, no drawn name
    values = joined([exact.of(kind), *(f"{name} {of_made[name]}" for name, _ in sorted(steady))])
    more, live = (read | read_on_import(kind)).parts(), exact.files | of_instance.files
    if file in GIVEN:
        more += beyond_its_folder(live, (), ()) + sorted(versions(exact.packages | of_instance.packages))
        more += [] if exact.plain else ["values"]  # which no earlier version counted
        code = joined([*exact.texts(), *more, *_others(of_instance.texts(), exact.texts())])
    else:
        code = own_code(
            MODULES_THEN, ROOT / file, [*more, *exact.texts(), *_others(of_instance.texts(), exact.texts())], live
        )
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
    inputs = tuple(each[0] for each in inputs_of(builder.takes, EXAMPLES).given)
    with torch.no_grad():
        for training in (True, False):
            module.train(training)(*inputs)


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


def resolve_as_it_is(
    definition: Keys,
    request: Keys,
    longest: tuple[int, int],
    cells: Sequence[Keys] = (),
    cache: Path | None = None,
) -> Keys:
    """One definition, as `learner_cache.ResolvedLearner` reads it: of a user's own module with `own`, the hashes of
    what it computes with.

    Args:
        request, longest, cells: as `resolve_any`.
        cache: folder where what trying out has shown is remembered; None: nowhere.

    Raises:
        UserError: the definition is wrong, or the learner fails when it is tried out.
    """
    if kind_of(definition) != "module":
        return resolve_any(definition, request, longest, cells)
    protocol = Protocol(**request["protocol"])
    learner = learner_of(definition, request["updates"], request["batch_size"], protocol, request["learner_folder"])
    if not is_users_module(learner):
        return resolve_any(definition, request, longest, cells)
    try:
        own = own_of(learner)
    except Exception as error:
        try_out(learner, longest)  # says it better
        if isinstance(error, UserError):
            raise
        raise UserError(f"what the learner computes with cannot be determined: {said(error)}") from error
    return with_trial(learner, _tried(learner, own, longest, cache)).to_json() | {"own": own}


def _tried(learner: Learner, own: str, longest: tuple[int, int], cache: Path | None) -> TriedOut:
    """What trying a learner out shows, or has shown: for what it computes with, under this code and this torch."""
    code = code_hash("indoubt/learners/try_out.py"), str(torch.__version__)
    known = cache / f"tried-{digest([learner.to_json(), own, longest, code])}.json" if cache is not None else None
    if known is not None and known.exists():
        return TriedOut(**json.loads(known.read_text(encoding="utf-8")))
    tried = try_out(learner, longest)
    if known is not None:
        write_atomically(known, json.dumps(asdict(tried)))
    return tried


if __name__ == "__main__":
    answer(partial(resolve_as_it_is, cache=Path(sys.argv[1])))
