"""Learners by fairseq's own argument names: checked, and resolved to every value that has an effect."""

from __future__ import annotations

import argparse
import contextlib
import io
from argparse import Namespace
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import torch
from fairseq import options
from fairseq.models import ARCH_CONFIG_REGISTRY, ARCH_MODEL_REGISTRY, FairseqEncoderDecoderModel, FairseqLanguageModel
from fairseq.optim import OPTIMIZER_REGISTRY
from fairseq.optim.lr_scheduler import LR_SCHEDULER_REGISTRY

from indoubt.data.literals import decimal_pair, is_number
from indoubt.data.vocabulary import Vocabulary
from indoubt.engines.fairseq.models import build_model, dictionary_of, import_user_dir, make_batch, namespace
from indoubt.engines.fairseq.optimizer import Optimizer, summed_nll
from indoubt.engines.fused.architectures import supports
from indoubt.errors import UserError, nearest
from indoubt.learner import FairseqLearner, Keys, Learner
from indoubt.learners import blindness, trial
from indoubt.learners.argument_values import check_ranges, check_texts
from indoubt.training import Example, Protocol

#: Arguments of fairseq-train that the original's commands give and that change nothing here.
WITHOUT_EFFECT = {"disable_validation", "no_epoch_checkpoints", "sentence_avg", "min_lr", "criterion", "task"}
#: Arguments that have an effect and belong neither to a model nor to an optimizer or schedule.
GENERAL = {"arch", "optimizer", "lr_scheduler", "lr", "clip_norm", "max_source_positions", "max_target_positions"}
#: What a definition may hold beside fairseq's arguments.
OWN = {"updates", "batch_size", "user_dir"}


def resolve_definition(definition: Keys, request: Keys, longest: tuple[int, int], cells: Sequence[Keys]) -> Keys:
    """As `learners.resolution.resolve_any`, for a definition by `arch`."""
    learner = resolve(definition, request["updates"], request["batch_size"])
    check_dictionaries(learner, cells)
    return {
        "learner": learner.to_json(),
        "not_fused": supports(learner, Protocol(**request["protocol"])),
        "cannot_tell": cannot_tell(learner),
    }


def resolve(definition: Mapping[str, Any], updates: int, batch_size: int | None) -> FairseqLearner:
    """The learner that a definition (fairseq's argument names, `_` or `-`, with values) describes.

    Args:
        definition: fairseq's arguments; `updates`, `batch_size` and `user_dir` may stand beside them.
        updates: number of updates where the definition gives none.
        batch_size: examples drawn for an update where the definition gives none; None: all sent so far.

    Raises:
        UserError: an unknown argument, one that has no effect here, a bad value, an architecture that is unknown or
            does not train with plain cross-entropy.
    """
    rest = {key.replace("-", "_"): value for key, value in definition.items()}
    own = {key: rest.pop(key) for key in sorted(OWN & set(rest))}
    user_dir = own.get("user_dir")
    import_user_dir(user_dir)
    arch = _architecture(rest)
    arguments = parse(rest, arch)
    learner = FairseqLearner(
        _in_one_spelling(
            {name: getattr(arguments, name) for name in sorted(_effective(arguments)) if hasattr(arguments, name)},
            rest,
        ),
        own.get("updates", updates),
        own.get("batch_size", batch_size),
        user_dir,
    )
    check_ranges(learner.arguments)
    check_texts(learner.arguments)
    _try_out(learner)
    return learner


def _in_one_spelling(arguments: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments such that a default is the same whether it was given or not: fairseq has 25 for `clip_norm`, and 25.0
    where 25 is given.
    """
    chosen = {name: given[name] for name in ("arch", "optimizer", "lr_scheduler") if name in given}
    defaults = vars(parse(chosen, str(arguments["arch"])))
    for name, value in arguments.items():
        default = defaults.get(name)
        if is_number(value) and is_number(default) and value == default:
            arguments[name] = default
    if "adam_betas" in arguments:
        arguments["adam_betas"] = decimal_pair(str(arguments["adam_betas"]))
    return arguments


def _architecture(given: Mapping[str, Any]) -> str:
    """The definition's architecture, if it is one that can be measured."""
    arch = given.get("arch")
    if arch not in ARCH_MODEL_REGISTRY:
        known = sorted(ARCH_MODEL_REGISTRY)
        raise UserError(f"no architecture {arch!r} in fairseq{nearest(arch, known)}; there are {', '.join(known)}")
    model = ARCH_MODEL_REGISTRY[arch]
    if issubclass(model, FairseqLanguageModel):
        raise UserError(f"architecture {arch!r} is a language model; learners must be encoder-decoders")
    if not issubclass(model, FairseqEncoderDecoderModel):
        raise UserError(f"architecture {arch!r} is no encoder-decoder, so it maps no source to a target")
    if "tgt_tokens" in model.forward.__code__.co_varnames[: model.forward.__code__.co_argcount]:
        raise UserError(
            f"architecture {arch!r} is not autoregressive: it trains with a loss of its own, not with plain "
            "cross-entropy, and so has no code length"
        )
    return str(arch)


def parse(given: Mapping[str, Any], arch: str) -> Namespace:
    """fairseq's own parser on the definition, with errors that name the argument."""
    choice = {"optimizer": "nag", "lr_scheduler": "fixed"} | {k: str(v) for k, v in given.items()}
    for name, registry in (("optimizer", OPTIMIZER_REGISTRY), ("lr_scheduler", LR_SCHEDULER_REGISTRY)):
        if choice[name] not in registry:
            raise UserError(f"no {name} {choice[name]!r} in fairseq{nearest(choice[name], registry)}")
    base = ["data", f"--arch={arch}", f"--optimizer={choice['optimizer']}", f"--lr-scheduler={choice['lr_scheduler']}"]
    actions_of = options.get_training_parser()
    options.parse_args_and_arch(actions_of, base)  # adds what the architecture, optimizer and schedule take
    actions = {action.dest: action for action in actions_of._actions}
    unknown = [name for name in given if name not in actions]
    if unknown:
        raise UserError(f"unknown argument {unknown[0]!r} of architecture {arch!r}{nearest(unknown[0], actions)}")
    words = [word for name, value in given.items() for word in _word(name, value, actions[name])]
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            arguments: Namespace = options.parse_args_and_arch(options.get_training_parser(), base + words)
    except SystemExit:
        lines = complaint.getvalue().strip().splitlines()
        reason = lines[-1].split("error: ")[-1] if lines else "fairseq's parser refuses it"
        raise UserError(
            reason.replace("invalid eval_str_list value", "neither a number nor a list of numbers")
        ) from None
    except (TypeError, ValueError) as error:
        raise UserError(f"fairseq's parser cannot read an argument of architecture {arch!r}: {error}") from None
    idle = [name for name in given if name not in _effective(arguments) | WITHOUT_EFFECT]
    if idle:
        raise UserError(f"argument {idle[0]!r} is fairseq's but has no effect in a measurement; leave it out")
    return arguments


def _word(name: str, value: Any, action: argparse.Action) -> list[str]:
    """One argument as the word of a command line; false booleans of flags and nulls are left out."""
    flag = action.option_strings[0] if action.option_strings else f"--{name}"
    if value is None:
        return []
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UserError(f"argument {name!r} is a flag: true or false, not {value!r}")
        return [flag] if value else []
    return [f"{flag}={value}"]


def _effective(arguments: Namespace) -> set[str]:
    """Names of the arguments that decide what the learner computes."""
    parser = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    for owner in (
        ARCH_MODEL_REGISTRY[arguments.arch],
        OPTIMIZER_REGISTRY[arguments.optimizer],
        LR_SCHEDULER_REGISTRY[arguments.lr_scheduler],
    ):
        if hasattr(owner, "add_args"):
            owner.add_args(parser)
    set_by_arch = Namespace()
    ARCH_CONFIG_REGISTRY[arguments.arch](set_by_arch)
    return GENERAL | {action.dest for action in parser._actions} | set(vars(set_by_arch))


def check_dictionaries(learner: Learner, cells: Iterable[Mapping[str, Any]]) -> None:
    """Build a learner for the dictionaries of what it is to be measured on.

    Args:
        cells: mappings with `cell` (`task/size`), `source` and `target` (the symbols of its dictionaries, in order).

    Raises:
        UserError: the learner cannot have these dictionaries, such as one that needs both sides to share theirs.
    """
    for cell in cells:
        dictionaries = [dictionary_of(Vocabulary.of((), cell[side]).symbols) for side in ("source", "target")]
        state = torch.random.get_rng_state()
        try:
            build_model(learner, *dictionaries)
        except Exception as error:
            raise UserError(
                f"architecture {learner.arguments['arch']!r} cannot be built for the dictionaries of {cell['cell']}, "
                f"which has a source and a target dictionary of its own: {error}"
            ) from error
        finally:
            torch.random.set_rng_state(state)


def cannot_tell(learner: Learner) -> tuple[str, ...]:
    """What a learner cannot tell apart whatever its weights are (`blindness`)."""
    source, target = dictionary_of(trial.SOURCE), dictionary_of(trial.TARGET)
    with torch.random.fork_rng():
        try:
            model = build_model(learner, source, target).eval()
        except Exception:  # one that needs both sides to share their dictionary
            model = build_model(learner, source, source).eval()

        def logits(example: Example) -> torch.Tensor:
            batch = make_batch([example], source, torch.device("cpu"))
            output: torch.Tensor = model(**batch["net_input"])[0][0]
            return output

        return blindness.cannot_tell(model, logits)


def _try_out(learner: Learner) -> None:
    """One update and one score on a made-up example; what fails here would fail in every training."""
    vocabulary = Vocabulary.of([("a",)])
    dictionary = dictionary_of(vocabulary.symbols)
    example = Example(vocabulary.encode("aa"), vocabulary.encode("a"))
    state = torch.random.get_rng_state()
    try:
        model = build_model(learner, dictionary, dictionary)
        optimizer = Optimizer(model, namespace(learner))
        batch = make_batch([example], dictionary, torch.device("cpu"))
        summed_nll(model, batch, dictionary.pad()).backward()
        optimizer.step(0, 1)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"architecture {learner.arguments['arch']!r} cannot be trained with plain cross-entropy as it is defined: "
            f"{type(error).__name__}: {error}"
        ) from error
    finally:
        torch.random.set_rng_state(state)
