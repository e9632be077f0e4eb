"""Greedy decoding with fairseq's generator."""

from __future__ import annotations

from collections.abc import Sequence

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import torch
from fairseq.data import Dictionary
from fairseq.sequence_generator import SequenceGenerator

from indoubt.engines.reference.batching import make_source_batch
from indoubt.training import Ids

#: So many sources are decoded together; all of a small task's at once.
TOGETHER = 128


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
