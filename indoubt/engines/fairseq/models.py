"""A learner as fairseq's model, with fairseq's dictionaries, its batches and its greedy search."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import torch
from fairseq import utils
from fairseq.data import Dictionary
from fairseq.data.language_pair_dataset import collate
from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.sequence_generator import SequenceGenerator

from indoubt.engines.backend import TOGETHER
from indoubt.errors import UserError
from indoubt.learner import FairseqLearner, Learner
from indoubt.training import Example, Ids, Training


def namespace(learner: Learner) -> Namespace:
    """The learner's arguments as fairseq's classes take them; a copy, since they change it."""
    return Namespace(criterion="cross_entropy", **json.loads(json.dumps(learner.arguments)))


def build_model(learner: Learner, source: Dictionary, target: Dictionary) -> torch.nn.Module:
    """fairseq's model, initialised from the state that the random generators are in."""
    assert isinstance(learner, FairseqLearner)
    import_user_dir(learner.plugins)
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


@lru_cache(maxsize=64)
def dictionary_of(symbols: tuple[str, ...]) -> Dictionary:
    """The dictionary that has these symbols in this order."""
    dictionary = Dictionary()
    if symbols[: dictionary.nspecial] != tuple(dictionary.symbols):
        raise ValueError(f"a dictionary starts with {dictionary.symbols}, this one with {symbols[:4]}")
    for symbol in symbols[dictionary.nspecial :]:
        dictionary.add_symbol(symbol)
    return dictionary


def dictionaries_of(training: Training) -> tuple[Dictionary, Dictionary]:
    """A training's source and target dictionaries."""
    return dictionary_of(training.source_symbols), dictionary_of(training.target_symbols)


def make_batch(examples: Sequence[Example], dictionary: Dictionary, device: torch.device) -> dict[str, Any]:
    """A batch of examples with targets; `net_input` holds what the model takes.

    Shapes: `net_input.src_tokens` (examples, longest source), `net_input.prev_output_tokens` and `target`
    (examples, longest target); rows by descending source length. (fairseq/data/language_pair_dataset.py)
    """
    samples = [
        {"id": i, "source": torch.tensor(e.source), "target": torch.tensor(e.target)} for i, e in enumerate(examples)
    ]
    return _collated(samples, dictionary, device)


def make_source_batch(sources: Sequence[Ids], dictionary: Dictionary, device: torch.device) -> dict[str, Any]:
    """A batch of sources to be decoded; `id` gives each row's place in `sources`."""
    samples = [{"id": i, "source": torch.tensor(source)} for i, source in enumerate(sources)]
    return _collated(samples, dictionary, device)


def _collated(samples: list[dict[str, Any]], dictionary: Dictionary, device: torch.device) -> dict[str, Any]:
    batch: dict[str, Any] = collate(
        samples, pad_idx=dictionary.pad(), eos_idx=dictionary.eos(), left_pad_source=True, left_pad_target=False
    )
    if device.type == "cuda":
        batch = utils.move_to_cuda(batch)
    return batch


def decode(
    model: torch.nn.Module,
    sources: Sequence[Ids],
    source_dictionary: Dictionary,
    target_dictionary: Dictionary,
    device: torch.device,
    min_len: int,
    max_len: int = 200,
) -> list[list[int]]:
    """The most likely symbol at each step, until `</s>` or `max_len` symbols; `TOGETHER` sources in a batch.

    Args:
        min_len: before so many symbols `</s>` cannot be given; the original uses 1.

    Returns:
        For each source, in the order given, the ids of its output without `</s>`.
    """
    generator = SequenceGenerator(target_dictionary, beam_size=1, max_len_b=max_len, min_len=min_len)
    outputs: list[list[int]] = [[] for _ in sources]
    for start in range(0, len(sources), TOGETHER):
        batch = make_source_batch(sources[start : start + TOGETHER], source_dictionary, device)
        hypotheses = generator.generate([model], batch)
        for place, best in zip(batch["id"].tolist(), hypotheses, strict=True):
            symbols = best[0]["tokens"].tolist()
            outputs[start + place] = symbols[:-1] if symbols[-1:] == [target_dictionary.eos()] else symbols
    return outputs
