"""Learners of engine `modules`: a class of a file, or a Hugging Face architecture, with every argument's value.

They are optimised by fairseq's names and in its form, with the paper's values; fairseq itself is not needed.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from indoubt.data.literals import decimal_pair, spelled_as
from indoubt.engines.modules.loader import GIVEN, load_class, parameters_of
from indoubt.errors import UserError, nearest, optional_packages
from indoubt.files import ROOT
from indoubt.learner import KINDS, HuggingFaceLearner, Keys, Learner, ModuleLearner, TriedOut, kind_of
from indoubt.learners.argument_values import check_ranges, check_texts
from indoubt.learners.try_out import try_out
from indoubt.training import Protocol

#: What is taken where a definition gives nothing: the paper's values, not fairseq's defaults.
PAPER: dict[str, Any] = {
    "optimizer": "adam",
    "lr": 1e-3,
    "lr_scheduler": "inverse_sqrt",
    "warmup_init_lr": 1e-5,
    "warmup_updates": 1000,
    "clip_norm": 25.0,
    "adam_betas": "(0.9, 0.999)",
    "adam_eps": 1e-8,
}


def optimisation(given: Mapping[str, Any]) -> dict[str, Any]:
    """Every argument of the optimisation, with its value, in the form in which fairseq's parser gives it: `lr` a list.

    Raises:
        UserError: a value that is not possible, or that engine `modules` has no form for.
    """
    for name in ("optimizer", "lr_scheduler"):
        if given.get(name, PAPER[name]) != PAPER[name]:
            raise UserError(f"{name} {given[name]!r}: engine modules has {PAPER[name]!r} only; leave it out")
    arguments = {name: _read(name, given.get(name, default), default) for name, default in PAPER.items()}
    arguments["lr"] = [arguments["lr"]]
    check_ranges(arguments)
    check_texts(arguments)
    if arguments["warmup_updates"] < 1:
        raise UserError("warmup_updates: engine modules warms up for 1 update or more")
    return arguments | {"adam_betas": decimal_pair(arguments["adam_betas"])}


def _read(name: str, value: Any, default: Any) -> Any:
    """A value as its default is: a text, a whole number or one with a decimal point."""
    if isinstance(default, str):
        return default if value is None else str(value)
    try:
        return type(default)(str(value))  # YAML takes 1e-3 for a text
    except ValueError:
        kind = "a whole number" if isinstance(default, int) else "a number"
        raise UserError(f"argument {name!r} is {value!r}; it must be {kind}") from None


#: The folder of the built-in learners.
BUILT_IN = ROOT / "learners"
#: Names that no argument of a class can have, for they mean something else in a definition or in what it resolves to.
RESERVED = {*PAPER, *KINDS, "updates", "batch_size", "user_dir", "head", "pretrained", "config", "together"}


@dataclass(frozen=True)
class ResolvedModule:
    """A learner of engine `modules`, and what trying it out has shown."""

    learner: Learner
    tried: TriedOut

    def to_json(self) -> dict[str, Any]:
        """As `learners.resolution` gives it."""
        about = {"learner": self.learner.to_json(), "not_fused": None, "cannot_tell": self.tried.cannot_tell}
        return about | {"tried": asdict(self.tried)}


def resolve_definition(definition: Keys, request: Keys, longest: tuple[int, int], cells: Sequence[Keys]) -> Keys:
    """As `learners.resolution.resolve_any`, for a definition by `module` or `hf`."""
    defaults = request["updates"], request["batch_size"], Protocol(**request["protocol"]), request["learner_folder"]
    return resolve_module(definition, *defaults, longest).to_json()


def resolve_module(
    definition: Mapping[str, Any],
    updates: int,
    batch_size: int | None,
    protocol: Protocol,
    learner_folder: str | None,
    longest: tuple[int, int],
) -> ResolvedModule:
    """The learner of a definition by `module` or `hf`, tried out.

    Args:
        longest: symbols of the longest source and target that it will meet, `</s>` included; others: `learner_of`.

    Raises:
        UserError: the definition is wrong, or the learner fails when it is tried out.
    """
    learner = learner_of(definition, updates, batch_size, protocol, learner_folder)
    return with_trial(learner, try_out(learner, longest))


def with_trial(learner: Learner, tried: TriedOut) -> ResolvedModule:
    """A learner, trained together or not as trying it out has shown."""
    return ResolvedModule(replace(learner, arguments=learner.arguments | _trained(tried)), tried)


def learner_of(
    definition: Mapping[str, Any],
    updates: int,
    batch_size: int | None,
    protocol: Protocol,
    learner_folder: str | None,
) -> Learner:
    """The learner of a definition by `module` or `hf`, not yet tried out.

    Args:
        updates, batch_size: what is taken where the definition gives none.
        learner_folder: a folder of the user's own learners, which may be named by their stems as the built-in ones are.

    Raises:
        UserError: the definition is wrong.
    """
    if protocol.rng_streams == "released":
        raise UserError(
            "engine modules draws dropout by a counter and not from fairseq's stream, so rng_streams 'released' (and "
            "protocol 'released') are not available; measure it in a run of its own"
        )
    rest = {str(key).replace("-", "_") if key != "hf" else key: value for key, value in definition.items()}
    own = {name: rest.pop(name) for name in ("updates", "batch_size") if name in rest}
    arguments: dict[str, Any] = optimisation({name: rest.pop(name) for name in PAPER if name in rest})
    sizes = own.get("updates", updates), own.get("batch_size", batch_size)
    if kind_of(rest) == "module":
        file, about = _module(rest, learner_folder)
        return ModuleLearner(arguments | about | {"together": True}, *sizes, file=file)
    with optional_packages():
        from indoubt.learners import hugging_face_definitions  # slow to import: only where a learner asks for it

    about, weights = hugging_face_definitions.resolve(rest)
    return HuggingFaceLearner(arguments | about | {"together": True}, *sizes, weights)


def _trained(tried: TriedOut) -> dict[str, Any]:
    """How a learner is trained, as part of what identifies it.

    `together` was always there. What stands beside it tells trainings apart from those that earlier versions did under
    the same name, otherwise: one by one but not in a plain loop, and as if dropout in place were none.
    """
    how: dict[str, Any] = {"together": tried.alone is None}
    if tried.alone is not None:
        how["one by one"] = "plain loop"
    elif tried.in_place:
        how["in place"] = "dropout"
    return how


def _module(given: dict[str, Any], learner_folder: str | None) -> tuple[str, dict[str, Any]]:
    """The file of a learner's class, and the class with every argument of its constructor."""
    named = str(given.pop("module"))
    file, name = _located(named, learner_folder)
    cls = load_class(file, name)
    parameters = parameters_of(cls)
    for argument in parameters:
        if argument in RESERVED:
            what = "an optimisation argument" if argument in PAPER else "a key of every definition"
            raise UserError(f"argument {argument!r} of class {cls.__name__} has the name of {what}; rename it")
    for key in given:
        if key not in parameters:
            raise UserError(f"class {cls.__name__} has no argument {key!r}{nearest(key, parameters)}")
    values = {argument: given.get(argument, each.default) for argument, each in parameters.items()}
    for argument, value in values.items():
        if value is inspect.Parameter.empty:
            raise UserError(f"argument {argument!r} of class {cls.__name__} is missing")
        if not _is_plain(value):
            raise UserError(
                f"argument {argument!r} of class {cls.__name__} is {value!r}; what identifies a learner must be a "
                "number, a text, true, false, null or a list of them: give such a value in the definition"
            )
    values = {
        name: spelled_as(value, parameters[name].default, parameters[name].annotation) for name, value in values.items()
    }
    for argument in getattr(cls, "added_later", ()):
        # a class that is built on such a one may lack it
        if argument in parameters and values[argument] == parameters[argument].default:
            del values[argument]
    stem = named if file in GIVEN else Path(file).stem
    return file, {"module": f"{stem}.{cls.__name__}", **values}


def _located(named: str, learner_folder: str | None) -> tuple[str, str | None]:
    """The file that a definition's `module` names, as loading takes it, and the class if it is named too."""
    if named in GIVEN:
        return named, None
    path, _, name = named.partition(":")
    if path.endswith(".py"):
        return _from_root(Path(path)), name or None
    folders = [Path(folder) for folder in (learner_folder, BUILT_IN) if folder is not None]
    known = {file.stem: file for folder in reversed(folders) for file in sorted(folder.glob("*.py"))}
    if path not in known:
        where = " or ".join(str(folder) if folder != BUILT_IN else "learners" for folder in folders)
        raise UserError(
            f"no learner {path!r} in {where}{nearest(path, known)}; there are {', '.join(sorted(known))}, or give the "
            "path of a file that ends in .py"
        )
    return _from_root(known[path]), name or None


def _from_root(path: Path) -> str:
    """A path from the project's folder, where it lies in it; so that results can be taken elsewhere."""
    whole = path.resolve()
    return whole.relative_to(ROOT).as_posix() if whole.is_relative_to(ROOT) else str(whole)


def _is_plain(value: Any) -> bool:
    """Whether a value is made of what JSON has."""
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)
