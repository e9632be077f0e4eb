"""Trained weights on disk, as plain tensors and strings that `torch.load(weights_only=True)` accepts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from indoubt.data.vocabulary import JointVocabulary
from indoubt.engines.modules.contents import Contents, contents_of, put_back
from indoubt.engines.modules.loader import Builder
from indoubt.engines.weights import FORMAT, read_content
from indoubt.errors import UserError
from indoubt.files import replacing
from indoubt.learner import FairseqLearner, Learner, learner_of_json
from indoubt.training import Training

#: What fairseq's sinusoidal positions hold to know their device: memory that was never set, other in each process.
NEVER_SET = "embed_positions._float_tensor"


@dataclass(frozen=True)
class Checkpoint:
    """A trained learner: what it is, its dictionaries by symbols, and its weights.

    `contents` is what one of engine `modules` holds beside its `state_dict`; None in files of earlier versions.
    """

    learner: Learner
    source_symbols: tuple[str, ...]
    target_symbols: tuple[str, ...]
    state: dict[str, torch.Tensor]
    contents: Contents | None = None

    def model(self, device: torch.device) -> torch.nn.Module:
        """The learner with its weights, on a device.

        Raises:
            UserError: an argument of the learner cannot be read.
        """
        with torch.random.fork_rng():
            if isinstance(self.learner, FairseqLearner):
                from indoubt.engines.fairseq.models import build_model, dictionary_of  # now: other learners do without

                dictionaries = dictionary_of(self.source_symbols), dictionary_of(self.target_symbols)
                try:
                    model = build_model(self.learner, *dictionaries)
                except ValueError as error:
                    raise UserError(f"the checkpoint's learner cannot be built: {error}") from error
            else:
                vocabulary = JointVocabulary.of(self.source_symbols, self.target_symbols)
                model = Builder(self.learner).module(vocabulary, seed=0)
        model.load_state_dict(self.state)
        if self.contents is not None:
            put_back(model, self.contents)
        return model.to(device)


def save_checkpoint(path: Path, training: Training, model: torch.nn.Module) -> None:
    """Write a trained model; a file of that name is replaced only once the new one is whole.

    Raises:
        UserError: the folder cannot be written.
    """
    content = {
        "format": FORMAT,
        "learner": json.dumps(training.learner.to_json()),
        "source_symbols": list(training.source_symbols),
        "target_symbols": list(training.target_symbols),
        "state_dict": {
            name: torch.zeros(1) if name.endswith(NEVER_SET) else value.cpu()
            for name, value in model.state_dict().items()
        },
    }
    if not isinstance(training.learner, FairseqLearner):
        content["contents"] = _beside(model)
    try:
        with replacing(path) as file:
            torch.save(content, file)
    except (OSError, RuntimeError) as error:
        raise UserError(f"cannot write the checkpoint {path}: {error}; check rights and free space") from error


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        UserError: the file is missing, damaged or of another program.
    """
    content = read_content(path)
    return Checkpoint(
        learner_of_json(json.loads(content["learner"])),
        tuple(content["source_symbols"]),
        tuple(content["target_symbols"]),
        content["state_dict"],
        content.get("contents"),
    )


def _beside(model: torch.nn.Module) -> Contents:
    """What a module holds beside its `state_dict`: plain attributes, and buffers that are not saved with it."""
    contents = contents_of(model)
    missing = contents["tensors"].keys() - model.state_dict().keys()
    return {**contents, "tensors": {name: contents["tensors"][name] for name in missing}}
