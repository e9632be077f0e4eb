"""Every kind of definition, resolved: fairseq's architectures, modules, Hugging Face's, models read in context.

Run as `python -m indoubt.learners.resolution`, it reads definitions as JSON from standard input and writes the resolved
learners, or one line that says which definition is wrong; the workflow calls it so, since importing torch, fairseq and
a user's modules is slow.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Sequence

from indoubt.errors import UserError, optional_packages
from indoubt.learner import Keys, kind_of

#: Resolves a definition of one kind, as `resolve_any` does those of all.
Resolver = Callable[[Keys, Keys, tuple[int, int], Sequence[Keys]], Keys]


def resolve_any(definition: Keys, request: Keys, longest: tuple[int, int], cells: Sequence[Keys] = ()) -> Keys:
    """One definition, as `workflow.learner_cache.ResolvedLearner` reads it.

    Args:
        request: `updates`, `batch_size`, `protocol`, `learner_folder` and `models` of the configuration.
        longest: symbols of the longest source and target that the learner will meet.
        cells: the dictionaries that it will have (`fairseq_definitions.check_dictionaries`).

    Raises:
        UserError: the definition is wrong.
    """
    return _resolver(kind_of(definition))(definition, request, longest, cells)


def _resolver(kind: str) -> Resolver:
    """What resolves definitions of a kind; imported now, since each is slow to import and has needs of its own."""
    with optional_packages():
        if kind == "arch":
            from indoubt.learners.fairseq_definitions import resolve_definition
        elif kind == "in_context":
            from indoubt.learners.in_context_definitions import resolve_definition
        else:
            from indoubt.learners.module_definitions import resolve_definition
    return resolve_definition


def answer(resolve_one: Callable[..., Keys]) -> None:
    """Resolve the definitions that come on standard input.

    Args:
        resolve_one: as `resolve_any`.
    """
    request = json.load(sys.stdin)
    resolved = {}
    known: dict[str, Keys] = {}  # learners that differ in their starts alone are tried out once
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
