"""A fairseq plug-in for tests: a learner that finds every symbol equally likely, so that its code length is known.

Its one parameter gets a gradient of zero. With --guess-temperature 0 its scores are infinite times zero: NaN.
"""

from __future__ import annotations

from typing import Any

import torch
from fairseq.models import (
    FairseqEncoder,
    FairseqEncoderDecoderModel,
    FairseqIncrementalDecoder,
    register_model,
    register_model_architecture,
)


class Nothing(FairseqEncoder):
    def forward(self, src_tokens: torch.Tensor, src_lengths: torch.Tensor, **_: Any) -> torch.Tensor:
        return src_tokens

    def reorder_encoder_out(self, encoder_out: torch.Tensor, new_order: torch.Tensor) -> torch.Tensor:
        return encoder_out.index_select(0, new_order)


class Uniform(FairseqIncrementalDecoder):
    def __init__(self, dictionary: Any, temperature: float) -> None:
        super().__init__(dictionary)
        self.temperature = temperature
        self.offset = torch.nn.Parameter(torch.zeros(1))

    def forward(self, prev_output_tokens: torch.Tensor, encoder_out: Any = None, incremental_state: Any = None) -> Any:
        steps = prev_output_tokens[:, -1:] if incremental_state is not None else prev_output_tokens
        scores = self.offset.expand(*steps.shape, len(self.dictionary)) / self.temperature
        return scores, {"attn": None}


@register_model("uniform_guesser")
class UniformGuesser(FairseqEncoderDecoderModel):
    @staticmethod
    def add_args(parser: Any) -> None:
        parser.add_argument("--guess-temperature", type=float, metavar="T")

    @classmethod
    def build_model(cls, args: Any, task: Any) -> UniformGuesser:
        return cls(Nothing(task.source_dictionary), Uniform(task.target_dictionary, args.guess_temperature))


@register_model_architecture("uniform_guesser", "uniform_guesser")
def uniform_guesser(args: Any) -> None:
    args.guess_temperature = getattr(args, "guess_temperature", 1.0)
