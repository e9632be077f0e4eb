"""The fused learners by fairseq's architecture, and what one must be able to do."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from indoubt.engines.fused.arrays.batch import Batch, Shape
from indoubt.engines.fused.arrays.gradients import Gradients
from indoubt.engines.fused.arrays.masks import Masks, Site
from indoubt.engines.fused.arrays.parameters import Block, Parameters
from indoubt.engines.fused.learners.cnn import CNN
from indoubt.engines.fused.learners.lstm import LSTM
from indoubt.engines.fused.learners.transformer import Transformer
from indoubt.training import Learner


class Fused(Protocol):
    """Many models of one learner on one batch. Only `forward`, then `backward`, or `start_decoding`, then `decode`."""

    def __init__(self, learner: Learner, weights: Parameters, gradients: Gradients, batch: Batch) -> None: ...

    @staticmethod
    def blocks(learner: Learner) -> list[Block]: ...

    @staticmethod
    def sites(learner: Learner, shape: Shape) -> list[Site]: ...

    def forward(self, masks: Masks) -> Tensor: ...

    def backward(self, d_logits: Tensor) -> None: ...

    def start_decoding(self, longest: int) -> None: ...

    def decode(self, ids: Tensor, t: int) -> Tensor: ...


ARCHITECTURES: dict[str, type[Fused]] = {"lstm": LSTM, "fconv": CNN, "transformer": Transformer}
