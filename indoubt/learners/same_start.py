"""Whether seeds start from different weights, without which they are one learner many times."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from indoubt.data.vocabulary import JointVocabulary
from indoubt.engines.modules.contents import changed, contents_of
from indoubt.engines.modules.loader import Builder, trained_of


@dataclass(frozen=True)
class SameStart:
    """Weights that two seeds start with alike (`equal`), why, and whether these are all that a module holds."""

    equal: list[str]
    why: str
    all_equal: bool


def same_start(builder: Builder, vocabulary: JointVocabulary) -> SameStart | None:
    """What two seeds have in common by chance or by mistake; None: what is alike in them is meant to be.

    Meant are constants, such as zeros for biases, and weights that differ; and what a pretrained model brings.
    """
    modules, streams = [], []
    for seed in (0, 1):
        modules.append(builder.module(vocabulary, seed))
        streams.append(torch.get_rng_state())
    seeded = torch.equal(*streams)
    one, other = (trained_of(module) for module in modules)
    equal = [name for name, weight in one.items() if torch.equal(weight, other[name])]
    if not changed(*map(contents_of, modules)):
        why = (
            "its constructor seeds torch's random numbers itself" if seeded else "its constructor draws none by chance"
        )
        return SameStart(equal, why, True)
    drawn = [name for name in equal if not bool((one[name] == one[name].flatten()[0]).all())]
    if seeded and drawn:
        return SameStart(drawn, "its constructor seeds torch's random numbers itself", False)
    return None
