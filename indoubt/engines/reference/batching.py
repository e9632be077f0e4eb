"""Examples as fairseq's batches: sources left-padded and sorted by length, targets right-padded and shifted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import torch
from fairseq import utils
from fairseq.data import Dictionary
from fairseq.data.language_pair_dataset import collate

from indoubt.training import Example, Ids


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
