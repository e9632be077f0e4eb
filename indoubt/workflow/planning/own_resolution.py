"""Definitions of a user's own modules, resolved: with what they compute with now, and tried out once for each.

Run as `python -m indoubt.workflow.planning.own_resolution CACHE`, it does what `indoubt.learners.resolution` does for
all others; but each time that a run is planned, since only a learner that is built shows what its constructor has read.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from indoubt.errors import UserError, said
from indoubt.files import write_atomically
from indoubt.learners.modules import kind_of, learner_of, with_trial
from indoubt.learners.resolution import answer, resolve_any
from indoubt.learners.tried import TriedOut
from indoubt.learners.try_out import try_out
from indoubt.training import Learner, Protocol, digest
from indoubt.workflow.planning.code_hash import code_hash
from indoubt.workflow.planning.ingredients import is_users_module, own_of


def resolve_as_it_is(
    definition: Mapping[str, Any],
    request: Mapping[str, Any],
    longest: tuple[int, int],
    cells: Sequence[Mapping[str, Any]] = (),
    cache: Path | None = None,
) -> dict[str, Any]:
    """One definition, as `planning.resolved.ResolvedLearner` reads it: of a user's own module with `own`, the hashes of
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
        raise UserError(f"what the learner computes with cannot be told: {said(error)}") from error
    found = with_trial(learner, _tried(learner, own, longest, cache))
    about = {"learner": asdict(found.learner), "not_fused": None, "tried": asdict(found.tried)}
    return about | {"own": own}


def _tried(learner: Learner, own: str, longest: tuple[int, int], cache: Path | None) -> TriedOut:
    """What trying a learner out shows, or has shown: for what it computes with, under this code and this torch."""
    code = code_hash("indoubt/learners/try_out.py"), str(torch.__version__)
    known = cache / f"tried-{digest([asdict(learner), own, longest, code])}.json" if cache is not None else None
    if known is not None and known.exists():
        return TriedOut(**json.loads(known.read_text(encoding="utf-8")))
    tried = try_out(learner, longest)
    if known is not None:
        write_atomically(known, json.dumps(asdict(tried)))
    return tried


if __name__ == "__main__":
    answer(partial(resolve_as_it_is, cache=Path(sys.argv[1])))
