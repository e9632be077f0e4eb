"""Hugging Face's architectures as modules with the forward that every learner has.

Imported only where a learner is one of them. No tokenizer, no network; the reference kernels in plain torch.
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

os.environ["HF_HUB_OFFLINE"] = "1"  # read on import: nothing is looked up
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "critical")

import transformers
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSeq2SeqLM, PretrainedConfig

from indoubt.data.vocabulary import EOS, PAD
from indoubt.errors import UserError

transformers.logging.set_verbosity(logging.CRITICAL)  # each type has something to say on first use, in every job
transformers.logging.disable_progress_bar()  # type: ignore[no-untyped-call]

#: What is set here for every type that has it, whatever its default.
SET_HERE: dict[str, Any] = {
    "use_cache": False,
    "pad_token_id": PAD,
    "bos_token_id": EOS,
    "eos_token_id": EOS,
    "decoder_start_token_id": EOS,
    "rescale_every": 0,  # RWKV divides its weights in place when it is evaluated
    "is_decoder": True,  # BERT and its like: causal
}
#: What is given when the model is made, and by nobody else.
MADE_WITH: dict[str, Any] = {"attn_implementation": "eager", "dtype": torch.float32}


class Causal(nn.Module):
    """A language model."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        # Made with it; from now on it would only have some types look at the tokens' values, which vmap cannot.
        model.config.pad_token_id = None

    def forward(self, tokens: Tensor) -> Tensor:
        logits: Tensor = self.model(input_ids=tokens, use_cache=False).logits
        return logits


class SequenceToSequence(nn.Module):
    """An encoder-decoder whose two sides share a vocabulary.

    Its mask is the usual one, of zeros and ones, (batch, time), or if `added` what is added to the scores: many types
    look at the former's values, which `vmap` cannot.
    """

    def __init__(self, model: nn.Module, added: bool) -> None:
        super().__init__()
        self.model, self.added = model, added

    def forward(self, source: Tensor, source_mask: Tensor, previous: Tensor) -> Tensor:
        mask = source_mask.long()
        if self.added:  # a mask of zeros and ones, which is also taken, would be added as it is
            mask = torch.zeros(source_mask.shape, device=source.device)
            mask = mask.masked_fill(~source_mask, torch.finfo(mask.dtype).min)[:, None, None]
        given = {"input_ids": source, "attention_mask": mask, "decoder_input_ids": previous}
        logits: Tensor = self.model(**given, use_cache=False).logits
        return logits


def check_version(version: str) -> None:
    """Refuse to make a model by another version than the one that is part of its identity."""
    if version != transformers.__version__:
        raise UserError(
            f"the learner was defined with transformers {version}, and {transformers.__version__} is here; run again, "
            "or use one environment"
        )


def configuration(hf: str, own: Mapping[str, Any], symbols: int) -> PretrainedConfig:
    """A type's configuration with some values of its own, for so many symbols."""
    config = AutoConfig.for_model(hf, **_of_parts(hf, own, symbols), vocab_size=symbols)
    for name, value in SET_HERE.items():
        if hasattr(config, name):
            setattr(config, name, value)
    return config


def _of_parts(hf: str, own: Mapping[str, Any], symbols: int) -> dict[str, Any]:
    """The values with the number of symbols also in the parts (encoder, decoder, text) that a type is made of."""
    parts = type(AutoConfig.for_model(hf)).sub_configs
    sized = {
        part: {**(own.get(part) or {}), "vocab_size": symbols}
        for part, kind in parts.items()
        if part in ("encoder", "decoder", "text_config")
    }
    return {**own, **sized}


def make(config: PretrainedConfig, causal: bool) -> nn.Module:
    """The module of a configuration, initialised from the state that the random generators are in."""
    auto = AutoModelForCausalLM if causal else AutoModelForSeq2SeqLM
    model: Any = auto.from_config(config, **MADE_WITH)  # type: ignore[no-untyped-call]
    return Causal(model) if causal else SequenceToSequence(model, _adds_masks(config))


def make_pretrained(folder: Path, symbols: int, causal: bool) -> nn.Module:
    """The module whose weights `save_pretrained` wrote to a folder, with new embeddings for so many symbols.

    New rows are drawn as the type initialises its embeddings, from the state that the random generators are in, and not
    at the old rows' mean: else all symbols, and all seeds, would start alike.
    """
    auto = AutoModelForCausalLM if causal else AutoModelForSeq2SeqLM
    loaded: Any = auto.from_pretrained(folder, local_files_only=True, output_loading_info=True, **MADE_WITH)
    model, found = loaded
    if found["missing_keys"] or found["mismatched_keys"]:
        missing = sorted(map(str, [*found["missing_keys"], *found["mismatched_keys"]]))
        raise UserError(f"pretrained {str(folder)!r} lacks weights of its model: {', '.join(missing[:3])}")
    for name, value in SET_HERE.items():
        if hasattr(model.config, name):
            setattr(model.config, name, value)
    model.resize_token_embeddings(symbols, mean_resizing=False)
    std = getattr(model.config, "initializer_range", None) or getattr(model.config, "init_std", 0.02)
    tables = {id(layer.weight): layer.weight for layer in (model.get_input_embeddings(), model.get_output_embeddings())}
    with torch.no_grad():
        for table in tables.values():  # one where they are tied
            table.normal_(std=std)
    return Causal(model) if causal else SequenceToSequence(model, _adds_masks(model.config))


#: What `_adds_masks` has found, by configuration.
_added: dict[str, bool] = {}


def _adds_masks(config: PretrainedConfig) -> bool:
    """Whether encoder-decoders of a configuration add a mask of four dimensions to their scores, and so give the logits
    that they give with the usual mask of two: tried, for some fail and some take it for something else.
    """
    if torch.get_default_device().type == "meta":  # its weights are only counted
        return False
    key = config.to_json_string()
    if key not in _added:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            model: Any = AutoModelForSeq2SeqLM.from_config(copy.deepcopy(config), **MADE_WITH)  # type: ignore[no-untyped-call]
            source, previous = torch.tensor([[4, 5, 4, EOS], [5, EOS, PAD, PAD]]), torch.tensor([[EOS, 4], [EOS, 5]])
            given = source, source != PAD, previous
            usual = SequenceToSequence(model, added=False).eval()(*given)
            try:
                logits = SequenceToSequence(model, added=True).eval()(*given)
                _added[key] = torch.allclose(logits, usual, atol=1e-4)
            except Exception:  # each type fails in its own way
                _added[key] = False
    return _added[key]
