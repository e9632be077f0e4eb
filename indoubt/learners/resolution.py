"""Every kind of definition, resolved: fairseq's architectures, modules, Hugging Face's, models read in context.

Run as `python -m indoubt.learners.resolution`, it reads definitions as JSON from standard input and writes the resolved
learners, or one line that says which definition is wrong; the workflow calls it so, since importing torch, fairseq and
a user's modules is slow.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from indoubt.errors import UserError, optional_packages
from indoubt.learners.module_definitions import kind_of, resolve_module
from indoubt.training import Protocol


def resolve_any(
    definition: Mapping[str, Any],
    request: Mapping[str, Any],
    longest: tuple[int, int],
    cells: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """One definition, as `workflow.learner_cache.ResolvedLearner` reads it.

    Args:
        request: `updates`, `batch_size`, `protocol`, `learner_folder` and `models` of the configuration.
        longest: symbols of the longest source and target that the learner will meet.
        cells: the dictionaries that it will have (`fairseq_definitions.check_dictionaries`).

    Raises:
        UserError: the definition is wrong.
    """
    protocol = Protocol(**request["protocol"])
    if kind_of(definition) == "arch":
        from indoubt.engines.fused.architectures import supports

        with optional_packages():  # learners of other kinds do without fairseq
            from indoubt.learners.fairseq_definitions import cannot_tell, check_dictionaries, resolve

        learner = resolve(definition, request["updates"], request["batch_size"])
        check_dictionaries(learner, cells)
        return {
            "learner": learner.to_json(),
            "not_fused": supports(learner, protocol),
            "cannot_tell": cannot_tell(learner),
        }
    if kind_of(definition) == "in_context":
        from indoubt.learners.in_context_definitions import (
            resolve_in_context,  # slow to import: only where a learner asks for it
        )

        reader, looked_at = resolve_in_context(definition, cells, request.get("models"))
        about: dict[str, Any] = {"learner": reader.to_json(), "not_fused": None, "cannot_tell": ()}
        return about if looked_at is None else about | {"looked_at": asdict(looked_at)}
    defaults = request["updates"], request["batch_size"], protocol, request["learner_folder"]
    found = resolve_module(definition, *defaults, longest)
    about = {"learner": found.learner.to_json(), "not_fused": None, "cannot_tell": found.tried.cannot_tell}
    return about | {"tried": asdict(found.tried)}


def answer(resolve_one: Callable[..., dict[str, Any]]) -> None:
    """Resolve the definitions that come on standard input.

    Args:
        resolve_one: as `resolve_any`.
    """
    request = json.load(sys.stdin)
    resolved = {}
    known: dict[str, dict[str, Any]] = {}  # learners that differ in their starts alone are tried out once
    for name, definition in request["learners"].items():
        try:
            with contextlib.redirect_stdout(sys.stderr):  # a module of a user's may print
                met = request["longest"][name], request["cells"][name]
                content = json.dumps([definition, *met], sort_keys=True)
                if content not in known:
                    known[content] = resolve_one(definition, request, tuple(met[0]), met[1])
                resolved[name] = known[content]
        except UserError as error:
            print(f"learner {name!r}: {' '.join(str(error).split())}", file=sys.stderr)
            sys.exit(1)
    json.dump(resolved, sys.stdout, sort_keys=True)


if __name__ == "__main__":
    answer(resolve_any)
