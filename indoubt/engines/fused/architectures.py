"""The fused learners by fairseq's architecture, why others have no fused form, and how many share a lockstep."""

from __future__ import annotations

import gc
import typing
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from indoubt.engines.fused.adam import betas_of
from indoubt.engines.fused.batches import Batch, Shape
from indoubt.engines.fused.cnn import CNN, specification
from indoubt.engines.fused.dropout import Masks, Site
from indoubt.engines.fused.kernels import LARGE
from indoubt.engines.fused.lstm import LSTM
from indoubt.engines.fused.parameters import Block, Gradients, Parameters
from indoubt.engines.fused.transformer import Transformer
from indoubt.learner import FairseqLearner, Learner
from indoubt.training import Protocol

#: Arguments whose every value is honoured. All others must have the one value that the fused form computes.
OPTIMISATION = {
    "optimizer",
    "lr_scheduler",
    "lr",
    "clip_norm",
    "warmup_updates",
    "warmup_init_lr",
    "adam_betas",
    "adam_eps",
}
HONOURED = {
    "lstm": {
        *("arch", "dropout", "decoder_attention", "max_source_positions", "max_target_positions"),
        *(f"{side}_{what}" for side in ("encoder", "decoder") for what in ("embed_dim", "hidden_size")),
        *(f"{side}_dropout_{end}" for side in ("encoder", "decoder") for end in ("in", "out")),
        *("decoder_out_embed_dim", "adaptive_softmax_cutoff"),  # cutoffs are idle under plain cross-entropy
    },
    "fconv": {
        *("arch", "dropout", "decoder_out_embed_dim", "max_source_positions", "max_target_positions"),
        *(f"{side}_{what}" for side in ("encoder", "decoder") for what in ("embed_dim", "layers")),
        "decoder_attention",
    },
    "transformer": {
        *("arch", "dropout", "cross_self_attention", "no_scale_embedding"),
        *("max_source_positions", "max_target_positions", "adaptive_softmax_dropout", "decoder_input_dim"),
        *(f"{side}_{what}" for side in ("encoder", "decoder") for what in ("embed_dim", "ffn_embed_dim", "layers")),
        *(f"{side}_attention_heads" for side in ("encoder", "decoder")),
        "decoder_output_dim",
    },
}
#: The values that the fused form computes. None, False, 0 and "" are one value here, and that of what is not listed.
FIXED: dict[str, Any] = {"activation_fn": "relu"}
LSTM_LAYERS = {"encoder_layers": 1, "decoder_layers": 1}


def supports(learner: Learner, protocol: Protocol) -> str | None:
    """None if the learner can be trained fused under this protocol, otherwise the reason why not."""
    assert isinstance(learner, FairseqLearner)
    a, arch = learner.arguments, learner.arch
    if arch not in HONOURED:
        return f"architecture {arch!r} has no fused form; {', '.join(sorted(HONOURED))} have"
    if learner.plugins is not None:
        return f"user_dir {learner.plugins!r} may change what architecture {arch!r} is"
    if protocol.rng_streams == "released":
        return "rng_streams 'released': its dropout is fairseq's own stream of random numbers"
    for name, value in (("optimizer", "adam"), ("lr_scheduler", "inverse_sqrt")):
        if a[name] != value:
            return f"{name} {a[name]!r} has no fused form; {value!r} has"
    fixed = FIXED | (LSTM_LAYERS if arch == "lstm" else {})
    for name, value in sorted(a.items()):
        if name not in OPTIMISATION | HONOURED[arch] and (value or None) != fixed.get(name):
            return f"{name} {value!r} has no fused form; {fixed.get(name)!r} has"
    return _schedule(a) or _DETAILS[arch](learner)


def _schedule(a: dict[str, Any]) -> str | None:
    """Why the optimizer's numbers do not fit."""
    if len(a["lr"]) != 1:
        return f"lr {a['lr']!r} has no fused form; one learning rate has"
    if a["warmup_updates"] < 1:
        return f"warmup_updates {a['warmup_updates']!r} has no fused form; 1 or more have"
    try:
        betas_of(a)
    except ValueError:
        return f"adam_betas {a['adam_betas']!r} has no fused form; two numbers from 0 to 1 have"
    rates = {name: a[name] for name in sorted(a) if "dropout" in name and isinstance(a[name], float | int)}
    for name, rate in rates.items():
        if not 0 <= rate < 1:
            return f"{name} {rate!r} has no fused form; probabilities below 1 have"
    return None


def _lstm(learner: Learner) -> str | None:
    a = learner.arguments
    sizes = {a["encoder_hidden_size"], a["decoder_hidden_size"], a["decoder_out_embed_dim"]}
    if len(sizes) != 1:
        return "encoder_hidden_size, decoder_hidden_size and decoder_out_embed_dim differ, which has no fused form"
    return None


def _cnn(learner: Learner) -> str | None:
    a = learner.arguments
    for side in ("encoder", "decoder"):
        try:
            width = specification(learner, side)[1]
        except ValueError:
            return f"{side}_layers {a[f'{side}_layers']!r} has no fused form; [(channels, width)] has"
        if side == "encoder" and width % 2 == 0:
            return f"encoder_layers {a['encoder_layers']!r} has no fused form; an odd width has"
    if str(a["decoder_attention"]).strip("[] ,") != "True":
        return f"decoder_attention {a['decoder_attention']!r} has no fused form; [True] has"
    return None


def _transformer(learner: Learner) -> str | None:
    a = learner.arguments
    sizes = {a[f"{what}_dim"] for what in ("encoder_embed", "decoder_embed", "decoder_input", "decoder_output")}
    if len(sizes) != 1:
        return "encoder_embed_dim, decoder_embed_dim, decoder_input_dim and decoder_output_dim differ: no fused form"
    if a["encoder_embed_dim"] < 4:
        return f"encoder_embed_dim {a['encoder_embed_dim']!r} has no fused form; 4 or more have"
    return None


_DETAILS: dict[str, Callable[[Learner], str | None]] = {"lstm": _lstm, "fconv": _cnn, "transformer": _transformer}


class FusedLearner(typing.Protocol):
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


ARCHITECTURES: dict[str, type[FusedLearner]] = {"lstm": LSTM, "fconv": CNN, "transformer": Transformer}


#: On the CPU so many weights at a time: 33 Transformers. A model with a large weight, as the LSTMs and the CNN have,
#: fills the cache alone, and its gradients are treated in a way of their own.
CPU_WEIGHTS = 1_250_000
#: On a GPU at most so many models, and of its free memory at most this share.
GPU_MODELS, GPU_SHARE = 1024, 0.7


def canonical(shape: Shape, device: torch.device) -> Shape:
    """The shape that a training's batch is padded to, from its own shape alone.

    Times are rounded up, so that more trainings have a shape in common: to even numbers on the CPU, where padding costs
    time, and to multiples of 8 on a GPU, where small locksteps do. Rows are rounded up on a GPU only.
    """
    rows, multiple = (4, 8) if device.type == "cuda" else (1, 2)

    def up(n: int, to: int) -> int:
        return -(-n // to) * to

    return Shape(up(shape.batch, rows), up(shape.source, multiple), up(shape.target, multiple))


def models_together(learner: Learner, sizes: Sequence[int], shape: Shape, device: torch.device) -> int:
    """How many models with weights of these sizes fit into one lockstep with batches of this shape; at least 1."""
    weights = sum(sizes)
    if device.type == "cpu":
        return 1 if max(sizes) >= LARGE else max(1, CPU_WEIGHTS // weights)
    return max(1, min(GPU_MODELS, int(free_memory(device) * GPU_SHARE / bytes_of_a_model(learner, weights, shape))))


def free_memory(device: torch.device) -> int:
    """Bytes that a GPU has left for this process: what nobody has taken, and what torch keeps but nothing uses.

    Before, what only rings of references hold, as a user's module may leave them, is let go.
    """
    gc.collect()
    free, _ = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def bytes_of_a_model(learner: Learner, weights: int, shape: Shape) -> int:
    """What a model of so many weights needs of a GPU's memory; where it falls short, locksteps are halved.

    Weights, gradients, two moments and what is computed from all of them, of 4 bytes; for each place of dropout its
    mask, the numbers of 8 bytes that it is drawn from, and an allowance for what forward and backward keep.
    """
    sites = ARCHITECTURES[learner.arguments["arch"]].sites(learner, shape)
    return 20 * weights + 256 * shape.batch * sum(site.time * site.features for site in sites)
