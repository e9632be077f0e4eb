"""Separate fairseq models and one fused learner with the same weights, data and dropout masks (the method of HFTA)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from indoubt.engines.fairseq import models as batching
from indoubt.engines.fairseq.models import dictionary_of
from indoubt.engines.fairseq.optimizer import summed_nll
from indoubt.engines.fairseq.randomness import seed_everything
from indoubt.engines.fused.architectures import ARCHITECTURES, FusedLearner
from indoubt.engines.fused.batches import Batch, shape_of
from indoubt.engines.fused.dropout import DropoutMasks
from indoubt.engines.fused.parameters import Gradients, Parameters
from indoubt.learner import Learner
from indoubt.learners.fairseq_definitions import build_model, resolve
from indoubt.training import Example, Ids

CPU = torch.device("cpu")
SYMBOLS = ("<s>", "<pad>", "</s>", "<unk>", "a", "b", "madeupword0000", "madeupword0001")

OPTIMISATION = {
    "dropout": 0.5,
    "optimizer": "adam",
    "lr": 1e-3,
    "lr_scheduler": "inverse_sqrt",
    "warmup_updates": 1000,
    "warmup_init_lr": 1e-5,
}
_LSTM = {"arch": "lstm", "encoder_embed_dim": 8, "encoder_hidden_size": 24, "encoder_layers": 1}
_LSTM |= {"decoder_embed_dim": 8, "decoder_hidden_size": 24, "decoder_layers": 1, "decoder_out_embed_dim": 24}
_TRANSFORMER = {"arch": "transformer"}
for _side in ("encoder", "decoder"):
    _TRANSFORMER |= {f"{_side}_embed_dim": 8, f"{_side}_ffn_embed_dim": 32, f"{_side}_layers": 2}
    _TRANSFORMER |= {f"{_side}_attention_heads": 4}
#: The built-in learners, smaller, so that tests are fast.
SMALL: dict[str, dict[str, Any]] = {
    "lstm-attention": _LSTM | {"decoder_attention": "1"},
    "lstm": _LSTM | {"decoder_attention": "0"},
    "cnn": {
        "arch": "fconv",
        "encoder_embed_dim": 8,
        "encoder_layers": "[(24, 3)]",
        "decoder_embed_dim": 8,
        "decoder_layers": "[(20, 4)]",
        "decoder_attention": "[True]",
        "decoder_out_embed_dim": 12,
    },
    "transformer": _TRANSFORMER,
    "transformer-joint": _TRANSFORMER | {"cross_self_attention": True},
}


def learner(name: str, updates: int = 20, **changes: Any) -> Learner:
    """A small learner, resolved."""
    return resolve(SMALL[name] | OPTIMISATION | changes, updates, None)


def ids(text: str) -> Ids:
    """Symbols as ids, with `</s>`: `aab`."""
    return (*(SYMBOLS.index(symbol) for symbol in text), SYMBOLS.index("</s>"))


def examples(*pairs: str) -> tuple[Example, ...]:
    """Examples written as `aa>bbb`."""
    return tuple(Example(*map(ids, pair.split(">"))) for pair in pairs)


#: Per model: unequal lengths, so that batches are padded, a source without symbols, and rows out of order.
EQUAL_SIZES = [
    examples("ab>bbb", "aaaaa>b", "b>bbbbbb"),
    examples("aaa>bb", ">a", "abab>abababa"),
    examples("bbbbb>", "bb>ab", "aa>bbb"),
]
#: Sets of different sizes, which leave empty rows.
UNEQUAL_SIZES = [EQUAL_SIZES[0], EQUAL_SIZES[1][:1], EQUAL_SIZES[2] + examples("aabb>bb")]


def fairseq_models(each: Learner, seeds: Sequence[int], dtype: torch.dtype = torch.float32) -> list[Any]:
    """One of fairseq's models per seed."""
    models = []
    for seed in seeds:
        seed_everything(seed)
        models.append(build_model(each, dictionary_of(SYMBOLS), dictionary_of(SYMBOLS)).to(dtype))
    return models


def parameters_of(each: Learner, models: Sequence[Any], device: torch.device = CPU) -> Parameters:
    """The models' weights as a fused learner holds them."""
    first = dict(models[0].named_parameters())
    shapes = {name: value.shape for name, value in first.items()}
    dtype = next(iter(first.values())).dtype
    weights = Parameters(ARCHITECTURES[each.arguments["arch"]].blocks(each), shapes, len(models), device, dtype)
    for row, model in enumerate(models):
        weights.load(row, dict(model.named_parameters()))
    return weights


def fused(each: Learner, weights: Parameters, batch: Batch) -> tuple[FusedLearner, Gradients]:
    """The fused learner on a batch, and its gradients."""
    gradients = Gradients(weights)
    return ARCHITECTURES[each.arguments["arch"]](each, weights, gradients, batch), gradients


def masks_of(each: Learner, sets: Sequence[Sequence[Example]], batch: Batch, dtype: torch.dtype) -> DropoutMasks:
    """Counter-based masks for models called model 0, 1, ..."""
    shape = shape_of(sets[0])
    for one in sets[1:]:
        shape = shape.covering(shape_of(one))
    sites = ARCHITECTURES[each.arguments["arch"]].sites(each, shape)
    return DropoutMasks(sites, [f"model {row}" for row in range(len(sets))], batch.places, batch.source.device, dtype)


def fairseq_loss(model: Any, one: Sequence[Example], masks: dict[str, Tensor] | None = None, row: int = 0) -> Tensor:
    """Loss per sentence of a model, with model `row` of `masks` in the place of fairseq's dropout."""
    dictionary = dictionary_of(SYMBOLS)
    batch = batching.make_batch(one, dictionary, CPU)
    model.train(masks is not None)
    here = None if masks is None else {name: mask.to(CPU) for name, mask in masks.items()}
    with _injected(_sequence(model, one, batch, here, row) if here is not None else []):
        return summed_nll(model, batch, dictionary.pad()) / len(one)


@contextmanager
def _injected(masks: list[Tensor]) -> Iterator[None]:
    """Let `F.dropout` multiply by these masks, one after another."""
    waiting = iter(masks)
    original = F.dropout

    def dropout(x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        if not training or p == 0:
            return x
        mask = next(waiting)
        assert mask.shape == x.shape, (mask.shape, x.shape)
        return x * mask

    F.dropout = dropout  # type: ignore[assignment]
    try:
        yield
    finally:
        F.dropout = original
    assert next(waiting, None) is None, "fairseq dropped out less often than there are masks"


def _sequence(
    model: Any, one: Sequence[Example], batch: dict[str, Any], masks: dict[str, Tensor], row: int
) -> list[Tensor]:
    """A model's masks in fairseq's order and layout: rows in its batch's order, sources padded on the left."""
    order = batch["id"].tolist()
    by_length = sorted(range(len(one)), key=lambda place: -len(one[place].source))
    source_time, target_time = batch["net_input"]["src_tokens"].size(1), batch["target"].size(1)

    def target(site: str) -> Tensor:  # (batch, time, features)
        return torch.stack([masks[site][row, by_length.index(place), :target_time] for place in order])

    def source(site: str, left: bool = True) -> Tensor:
        rows = []
        for place in order:
            length = len(one[place].source)
            mask = masks[site][row, by_length.index(place), :length]
            rest = mask.new_ones(source_time - length, mask.size(1))
            rows.append(torch.cat((rest, mask) if left else (mask, rest)))
        return torch.stack(rows)

    kind = type(model).__name__
    if kind == "LSTMModel":
        steps = target("decoder out").unbind(1)
        outputs = (
            source("encoder out", left=False).transpose(0, 1)
            if "encoder out" in masks
            else torch.ones(source_time, len(one), steps[0].size(1), dtype=steps[0].dtype)
        )
        # fairseq drops out the hidden state for a next layer too, which is not there
        pairs = [mask for step in steps for mask in (torch.ones_like(step), step)]
        return [source("encoder in", left=False), outputs, target("decoder in"), *pairs]
    if kind == "FConvModel":
        return [
            source("encoder in"),
            source("encoder convolution").transpose(0, 1),
            target("decoder in"),
            target("decoder convolution").transpose(0, 1),
            target("decoder out"),
        ]
    sources = [name for name in masks if name.startswith("encoder.")]
    targets = [name for name in masks if name.startswith("decoder.")]
    return [
        source("encoder in"),
        *(source(name).transpose(0, 1) for name in sources),
        target("decoder in"),
        *(target(name).transpose(0, 1) for name in targets),
    ]


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Relative difference in norm."""
    return float((ours - theirs).norm() / theirs.norm().clamp(min=1e-30))
