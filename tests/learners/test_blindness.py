"""What learners cannot tell apart, by architecture: found with weights at random, whatever they learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from indoubt.data.indistinguishable import LENGTH, ORDER
from indoubt.learners.blindness import cannot_tell
from indoubt.learners.fairseq_definitions import cannot_tell as of_fairseq
from indoubt.learners.fairseq_definitions import resolve
from indoubt.learners.module_definitions import resolve_module
from indoubt.training import Example, Protocol

MEANS = """
import torch
from torch import nn


class Means(nn.Module):
    def __init__(self, source_symbols: int, target_symbols: int, ends: bool = True) -> None:
        super().__init__()
        self.table, self.out = nn.Embedding(source_symbols, 8), nn.Linear(8, target_symbols)
        self.shift = nn.Embedding(target_symbols, 8)
        self.ends = ends

    def forward(self, source, source_mask, previous):
        kept = source_mask if self.ends else source_mask & (source != 2)
        kept = kept[:, :, None].float()
        mean = (self.table(source) * kept).sum(1) / kept.sum(1).clamp(min=1)
        return self.out(torch.tanh(mean[:, None] + self.shift(previous)))
"""


class Gated(nn.Module):
    """Order counts by a weight alone that starts at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.gate = nn.Embedding(8, 4), nn.Parameter(torch.zeros(()))

    def logits(self, example: Example) -> Tensor:
        of = self.table(torch.tensor(example.source))
        place = torch.arange(len(of))[:, None]
        return ((1 + self.gate * place) * of).mean(0).expand(len(example.target), -1)


def found(definition: dict[str, object]) -> tuple[str, ...]:
    return resolve_module(definition, 10, None, Protocol(), None, (12, 12)).tried.cannot_tell


@pytest.mark.parametrize(
    ("definition", "kinds"),
    [
        ({"module": "transformer", "heads": 2, "positions": "none"}, (ORDER,)),
        ({"module": "transformer", "heads": 2, "positions": "none", "layers": 2}, (ORDER,)),
        ({"module": "transformer", "heads": 2, "positions": "alibi"}, ()),
        # A causal mask tells order from the second layer on.
        ({"module": "decoder_only", "heads": 2, "positions": "none"}, (ORDER,)),
        ({"module": "decoder_only", "heads": 2, "positions": "none", "layers": 2}, ()),
        ({"module": "recurrent", "hidden": 16}, ()),
        ({"module": "s4d"}, ()),
    ],
)
def test_of_built_in_learners(definition: dict[str, object], kinds: tuple[str, ...]) -> None:
    assert found(definition) == kinds


def test_a_mean_tells_neither_unless_it_counts_the_end(tmp_path: Path) -> None:
    """With `</s>` the shares of symbols hang on how many there are."""
    (tmp_path / "means.py").write_text(MEANS)
    where = {"module": str(tmp_path / "means.py")}
    assert found(where | {"ends": False}) == (ORDER, LENGTH)
    assert found(where) == (ORDER,)


def test_of_fairseqs_learners() -> None:
    small = {"encoder_embed_dim": 8, "decoder_embed_dim": 8, "encoder_layers": 1, "decoder_layers": 1}
    transformer = {"arch": "transformer", **small, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    lstm = {"arch": "lstm", **small, "encoder_hidden_size": 8, "decoder_hidden_size": 8, "decoder_out_embed_dim": 8}
    assert of_fairseq(resolve(transformer, 10, None)) == ()
    assert of_fairseq(resolve(transformer | {"no_token_positional_embeddings": True}, 10, None)) == (ORDER,)
    assert of_fairseq(resolve(lstm, 10, None)) == ()


def test_weights_that_start_at_zero_are_moved() -> None:
    module = Gated()
    before = torch.get_rng_state()
    assert cannot_tell(module, module.logits) == ()
    assert torch.equal(before, torch.get_rng_state())


class Windows(nn.Module):
    """Order counts from the ninth place on alone."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(8, 4)

    def logits(self, example: Example) -> Tensor:
        of = self.table(torch.tensor(example.source))
        return (of * (1 + torch.arange(len(of))[:, None] // 9)).mean(0).expand(len(example.target), -1)


class Refusing(Gated):
    """Takes no weight that is not zero."""

    def logits(self, example: Example) -> Tensor:
        if float(self.gate.detach()) != 0:
            raise ValueError("the gate must be closed")
        return super().logits(example)


def test_order_that_shows_in_long_inputs_alone_is_told() -> None:
    module = Windows()
    assert cannot_tell(module, module.logits) == ()


def test_nothing_is_said_of_a_module_that_fails_on_other_weights() -> None:
    module = Refusing()
    assert cannot_tell(module, module.logits) == ()
