"""A made-up batch, on which modules are tried out.

Rows are of several lengths, and batch (3), source time (7) and target time (5) differ, so that none can be mistaken for
another.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from indoubt.data.vocabulary import EOS, PAD, JointVocabulary
from indoubt.engines.modules.inputs import Inputs, Takes, make_inputs
from indoubt.training import Example

SOURCE = ("<s>", "<pad>", "</s>", "<unk>", "a", "b", "madeupword0000", "madeupword0001")
TARGET = ("<s>", "<pad>", "</s>", "<unk>", "A", "B", "madeupword0000", "madeupword0001")
VOCABULARY = JointVocabulary.of(SOURCE, TARGET)
EXAMPLES = (
    Example((4, 4, 5, 4, 5, 4, EOS), (4, 5, EOS)),
    Example((5, 4, EOS), (4, 4, 5, 4, EOS)),
    Example((4, 4, 4, 5, EOS), (5, EOS)),
)
#: Batches of the same shape for three seeds: no two rows that stand in one place are alike, nor all equally long.
SETS = (
    EXAMPLES,
    (
        Example((5, 4, 4, EOS), (5, EOS)),
        Example((4, 5, 5, 5, 4, 4, EOS), (5, 4, 4, EOS)),
        Example((5, EOS), (4, 5, 4, 5, EOS)),
    ),
    (
        Example((4, 4, EOS), (4, 4, 4, 5, EOS)),
        Example((5, 5, 4, 4, 5, EOS), (EOS,)),
        Example((4, 5, 4, 4, 4, 5, EOS), (5, 5, 4, EOS)),
    ),
)


def inputs_of(takes: Takes, examples: Sequence[Example], least: int = 0) -> Inputs:
    """What a module is given for examples, (1, ...); padded to at least so many times."""
    sources, previous = [e.source for e in examples], [(EOS, *e.target[:-1]) for e in examples]
    lengths = torch.tensor([[len(source) for source in sources]])
    return make_inputs(takes, [VOCABULARY], _padded(sources, least), lengths, _padded(previous, least))


def _padded(rows: Sequence[Sequence[int]], least: int) -> Tensor:
    """(1, rows, time) ids."""
    times = max(least, *map(len, rows))
    return torch.tensor([[[*row, *[PAD] * (times - len(row))] for row in rows]])
