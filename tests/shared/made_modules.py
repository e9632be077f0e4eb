"""What tests of engine `modules` have in common: resolved learners, examples, models with given weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from indoubt.engines.fused.architectures import canonical
from indoubt.engines.fused.batches import shape_of
from indoubt.engines.modules.inputs import vocabulary_of
from indoubt.engines.modules.loader import Builder
from indoubt.engines.modules.lockstep import ModuleLockstep
from indoubt.engines.modules.stacked_models import Maker
from indoubt.learner import HuggingFaceLearner, Learner, ModuleLearner
from indoubt.learners.module_definitions import PAPER
from indoubt.training import Decode, Example, Ids, Protocol, Score, Training

CPU = torch.device("cpu")
ROOT = Path(__file__).resolve().parents[2]
SOURCE = ("<s>", "<pad>", "</s>", "<unk>", "a", "b", "madeupword0000", "madeupword0001")
TARGET = ("<s>", "<pad>", "</s>", "<unk>", "x", "y", "madeupword0000", "madeupword0001")
HF = {
    "hf-gpt2": {"n_embd": 16, "n_layer": 1, "n_head": 2, "n_inner": 64},
    "hf-t5": {"d_model": 16, "d_kv": 8, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1, "num_heads": 2},
}


def ids(text: str) -> Ids:
    """`ab` as ids of either dictionary, `</s>` at the end."""
    return (*(4 + "abxy".index(symbol) % 2 for symbol in text), 2)


def examples(*pairs: str) -> tuple[Example, ...]:
    """`ab>xyx` as an example."""
    return tuple(Example(*map(ids, pair.split(">"))) for pair in pairs)


T, FIRST, SECOND = examples("aaab>xxx", "ab>xyxyx", "b>y"), examples("a>xx"), examples("aaabb>xxxxx", ">y")
BLOCKS = (T, FIRST, SECOND)
DECODE = Decode((ids("aa"), ids("a"), ids(""), ids("abab")), 0, 40)


def learner(module: str, updates: int = 10, batch_size: int | None = None, **arguments: Any) -> Learner:
    """A learner of engine `modules`: `mamba.Mamba` of learners/, or `hf-gpt2`; resolved but not tried out."""
    optimisation = {**PAPER, "lr": [arguments.pop("lr", 1e-3)], "together": arguments.pop("together", True)}
    file = arguments.pop("file", None)
    if module.startswith("hf-"):
        hf = module.removeprefix("hf-")
        head = "seq2seq" if hf in ("t5", "bart") else "causal"
        config = HF.get(module, {}) | arguments
        about = {"hf": hf, "head": head, "config": config, "transformers": version("transformers")}
        return HuggingFaceLearner(optimisation | about, updates, batch_size)
    file = file or f"learners/{module.split('.')[0]}.py"
    return ModuleLearner(optimisation | {"module": module, **arguments}, updates, batch_size, file=file)


def training(of: Learner, seed: int, block: int = 0, protocol: Protocol | None = None) -> Training:
    """A seed's training on the blocks up to `block`; its scores have shapes of their own, T is asked for outputs."""
    scores = Score(FIRST), Score(T + SECOND)
    protocol = protocol or Protocol()
    each = BLOCKS[: block + 1]
    return Training(of, protocol, seed, SOURCE, TARGET, each, None, scores, (DECODE,) if block == 0 else ())


def lockstep(trainings: Sequence[Training], weights: Mapping[str, Tensor] | None = None) -> ModuleLockstep:
    """A lockstep of trainings, all from the same weights if some are given."""
    maker = Maker(Builder(trainings[0].learner), vocabulary_of(trainings[0]), CPU)
    made = ModuleLockstep(trainings, maker, canonical(shape_of(trainings[0].examples), CPU), CPU, 0)
    for row in range(len(made.rows) if weights is not None else 0):
        made.models.weights.load(row, weights or {})
    return made
