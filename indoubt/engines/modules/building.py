"""A resolved learner's module, initialised for a seed."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from indoubt.data.vocabulary import JointVocabulary
from indoubt.engines.fairseq.randomness import seed_everything
from indoubt.engines.modules.inputs import Takes
from indoubt.engines.modules.loading import SIZES, form_of, load_class, located, parameters_of
from indoubt.training import Learner


class Builder:
    """Makes a learner's modules for dictionaries; the learner's code is read once, whatever becomes of its file.

    `takes` says what the modules' forward takes.
    """

    def __init__(self, learner: Learner) -> None:
        self.learner = learner
        #: The type of each weight as the last module's constructor made it, by name.
        self.own_types: dict[str, torch.dtype] = {}
        self._class: type[nn.Module] | None = None
        if "hf" in learner.arguments:
            self.takes: Takes = "tokens" if learner.arguments["head"] == "causal" else "joint pair"
        else:
            self._class = load_class(*located(learner))
            self.takes = form_of(self._class)

    def module(self, vocabulary: JointVocabulary, seed: int) -> nn.Module:
        """A module on the CPU, in float32, as its own constructor initialises it for a seed."""
        seed_everything(seed)
        with contextlib.redirect_stdout(sys.stderr):
            module = self._of_class(vocabulary) if self._class is not None else self._of_hugging_face(vocabulary)
        self.own_types = {name: weight.dtype for name, weight in module.named_parameters()}
        return module.float()

    def _of_class(self, vocabulary: JointVocabulary) -> nn.Module:
        assert self._class is not None
        sizes = {name: getattr(vocabulary, name) for name in SIZES[self.takes]}
        names = parameters_of(self._class)
        given = {name: value for name, value in self.learner.arguments.items() if name in names}
        return self._class(**sizes, **given)

    def _of_hugging_face(self, vocabulary: JointVocabulary) -> nn.Module:
        from indoubt.engines.modules import hugging_face as hf  # slow to import: only where a learner asks for it

        arguments, causal = self.learner.arguments, self.takes == "tokens"
        hf.check_version(arguments["transformers"])
        if "pretrained" in arguments:
            return hf.make_pretrained(Path(str(self.learner.user_dir)), vocabulary.symbols, causal)
        own: dict[str, Any] = arguments["config"]
        return hf.make(hf.configuration(arguments["hf"], own, vocabulary.symbols), causal)


def constants_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """What a module computes with and does not train, by name: buffers, and weights that need no gradient."""
    frozen = {name: weight.detach() for name, weight in module.named_parameters() if not weight.requires_grad}
    return frozen | dict(module.named_buffers())


def trained_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """The weights that a module trains, by name; a number by itself, of shape (), comes in the shape (1,)."""
    trained = {name: weight.detach() for name, weight in module.named_parameters() if weight.requires_grad}
    return {name: weight if weight.dim() else weight[None] for name, weight in trained.items()}
