"""A resolved learner as fairseq's model."""

from __future__ import annotations

import json
from argparse import Namespace

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import torch
from fairseq import utils
from fairseq.data import Dictionary
from fairseq.models import ARCH_MODEL_REGISTRY

from indoubt.errors import UserError
from indoubt.training import Learner


def namespace(learner: Learner) -> Namespace:
    """The learner's arguments as fairseq's classes take them; a copy, since they change it."""
    return Namespace(criterion="cross_entropy", **json.loads(json.dumps(learner.arguments)))


def build_model(learner: Learner, source: Dictionary, target: Dictionary) -> torch.nn.Module:
    """fairseq's model, initialised from the state that the random generators are in."""
    import_user_dir(learner.user_dir)
    task = Namespace(source_dictionary=source, target_dictionary=target)
    arguments = namespace(learner)
    model: torch.nn.Module = ARCH_MODEL_REGISTRY[arguments.arch].build_model(arguments, task)
    return model


def import_user_dir(user_dir: str | None) -> None:
    """Import a folder of fairseq plug-ins, so that its architectures are registered."""
    if user_dir is None:
        return
    try:
        utils.import_user_module(Namespace(user_dir=user_dir))
    except Exception as error:
        raise UserError(f"user_dir {user_dir!r} cannot be imported: {type(error).__name__}: {error}") from error
