"""Outputs are guessed and verified, many sources in a batch: they are those of going symbol by symbol, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from indoubt.data.vocabulary import JointVocabulary
from indoubt.engines.modules import evaluation
from indoubt.engines.modules.engine import train_chains
from indoubt.engines.modules.inputs import Takes, vocabulary_of
from indoubt.engines.modules.loader import Builder
from indoubt.learner import Learner
from indoubt.training import Decode, Ids
from tests.shared import made_modules as made
from tests.shared.made_modules import CPU, DECODE, HF, ROOT, training

pytestmark = pytest.mark.xdist_group("modules")
OWN = ROOT / "tests/shared/learners"
TINY = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
BART = {
    f"{side}_{what}": n
    for side in ("encoder", "decoder")
    for what, n in (("layers", 1), ("attention_heads", 2), ("ffn_dim", 32))
}
POSITIONS = ("sinusoidal", "learned", "none", "rope", "alibi", "relative")
#: Names of learners and what they are: kinds of positions, of cells, of state spaces, of Hugging Face's and users' own.
LEARNERS: dict[str, tuple[str, dict[str, Any]]] = {
    **{f"transformer-{kind}": ("transformer.Transformer", {"heads": 2, "positions": kind}) for kind in POSITIONS},
    **{f"decoder-{kind}": ("decoder_only.DecoderOnly", {"heads": 2, "positions": kind}) for kind in POSITIONS},
    "universal": ("transformer.Transformer", {"layers": 3, "shared": True}),
    **{cell: ("recurrent.Recurrent", {"cell": cell, "hidden": 24}) for cell in ("gru", "rnn", "lstm")},
    "gru-attention": ("recurrent.Recurrent", {"hidden": 24, "attention": True}),
    "mamba": ("mamba.Mamba", {}),
    "s4d": ("s4d.S4D", {}),
    "gpt2": ("hf-gpt2", HF["hf-gpt2"]),
    "t5": ("hf-t5", HF["hf-t5"]),
    "llama": ("hf-llama", {**TINY, "num_key_value_heads": 2}),
    "mistral": ("hf-mistral", {**TINY, "num_key_value_heads": 2}),
    "gpt_neox": ("hf-gpt_neox", TINY),
    "opt": ("hf-opt", {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "ffn_dim": 32,
                       "word_embed_proj_dim": 16}),
    "bart": ("hf-bart", {"d_model": 16, **BART}),
    "bag": ("bag.Bag", {"file": str(OWN / "bag.py")}),
    "torch-lstm": ("torch_lstm.TorchLSTM", {"file": str(OWN / "torch_lstm.py"), "layers": 2, "dropout": 0.3}),
}  # fmt: skip

#: One of each family; the others are left to the long tests.
SOME = ("transformer-sinusoidal", "decoder-none", "decoder-rope", "lstm", "gru-attention", "mamba", "gpt2", "t5", "bag")


def learner_of(name: str, updates: int) -> Learner:
    module, arguments = LEARNERS[name]
    learner = made.learner(module, updates, lr=1e-2, **arguments)
    return replace(learner, arguments=learner.arguments | {"warmup_updates": 5})


def plain(model: nn.Module, takes: Takes, vocabulary: JointVocabulary, source: Ids, asked: Decode) -> list[int]:
    """The most likely symbol, again and again: one source, nothing padded, nothing guessed."""
    symbols: list[int] = []
    joint = [vocabulary.source_ids[i] for i in source]
    while len(symbols) < asked.max_len:
        if takes == "tokens":
            logits: Tensor = model(torch.tensor([[*joint[:-1], vocabulary.separator, *symbols]]))
        else:
            ids = torch.tensor([joint if takes == "joint pair" else source])
            logits = model(ids, torch.ones_like(ids, dtype=torch.bool), torch.tensor([[2, *symbols]]))
        last = logits[0, -1, : vocabulary.target_symbols]
        last[1] = -torch.inf
        if len(symbols) < asked.min_len:
            last[2] = -torch.inf
        symbol = int(last.argmax())
        if symbol == 2:
            break
        symbols.append(symbol)
    return symbols


@pytest.mark.parametrize(
    "name", [name if name in SOME else pytest.param(name, marks=pytest.mark.long) for name in LEARNERS]
)
def test_outputs_are_those_of_going_symbol_by_symbol(name: str) -> None:
    """Of a model that has learned something, of one that has not, and where an output must not be empty."""
    for least, updates in ((0, 30), (1, 0)):
        learner = learner_of(name, updates)
        each = replace(training(learner, 3), scores=(), decodes=(replace(DECODE, min_len=least),))
        kept: list[nn.Module] = []
        (result,) = train_chains([[each]], CPU, keep=lambda _, model, kept=kept: kept.append(model))
        takes, vocabulary = Builder(learner).takes, vocabulary_of(each)
        with torch.no_grad():
            expected = [plain(kept[0], takes, vocabulary, source, each.decodes[0]) for source in DECODE.sources]
        assert result.outputs[each.decodes[0].key] == expected


def test_outputs_do_not_depend_on_how_many_sources_are_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    each = replace(training(learner_of("decoder-rope", 30), 1), scores=())
    (at_once,) = train_chains([[each]], CPU)
    sizes = []
    monkeypatch.setattr(evaluation, "TOGETHER", 3)
    complete = evaluation._complete
    monkeypatch.setattr(
        evaluation, "_complete", lambda outputs, *rest: (sizes.append(len(outputs)), complete(outputs, *rest))
    )
    (in_pieces,) = train_chains([[each]], CPU)
    assert in_pieces.outputs == at_once.outputs and sizes == [3, 1]
