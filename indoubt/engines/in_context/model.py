"""Hugging Face's causal language models as readers: loaded from a folder, checked, never run with code of their own."""

from __future__ import annotations

import copy
import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before the library's first import: nothing here is fetched

import psutil
import torch
import transformers
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

from indoubt.engines.in_context.folder import configuration_of
from indoubt.engines.in_context.prompts import Tokens
from indoubt.engines.in_context.reader import Reader
from indoubt.errors import UserError, said
from indoubt.learner import InContextLearner

transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a job's log is no terminal

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
#: Bytes that what has been read may take on the CPU; on a GPU it is a third of what is free once the model is there.
KEPT = 2**30
#: Tokens of a try, and by how much a logit may move with what comes behind it.
TRIED, LEAK = 12, 1e-4
#: By how much, of the largest, logits may differ where a prompt is read in two parts.
PARTS = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.02}


class HuggingFaceReader(Reader):
    """A learner's model; of an untrained one that of a seed.

    Raises:
        UserError: the folder does not hold a causal language model that can be read, or memory does not hold it.
    """

    def __init__(self, learner: InContextLearner, device: torch.device, seed: int) -> None:
        self._shown, self._dtype = Path(learner.folder).name, str(learner.arguments["dtype"])
        self._model = self._loaded(learner, device, seed)
        self.vocabulary = int(self._model.get_output_embeddings().weight.size(0))
        self.device = self._model.device
        self.kept = self._check()
        free = torch.cuda.mem_get_info(self.device)[0] // 3 if self.device.type == "cuda" else KEPT
        self.at_once = max(free // max(self.kept, 1), 1)

    def start(self) -> Any:
        return None

    def taken(self, state: Any, rows: Sequence[int]) -> Any:
        taken = copy.deepcopy(state)
        taken.reorder_cache(torch.tensor(list(rows), device=self.device))
        return taken

    @torch.no_grad()
    def expects(self, state: Any, ids: Tensor, where: Tensor) -> tuple[Tensor, Any]:
        given = self._model(input_ids=ids, cache=state, use_cache=True, logits_to_keep=where)
        return (given.logits if given.logits.dim() == 2 else given.logits[where]), given.cache

    def _loaded(self, learner: InContextLearner, device: torch.device, seed: int) -> Any:
        folder, dtype = Path(learner.folder), DTYPES[self._dtype]
        config = config_of(folder, self._shown)
        _check_memory(weights_of(folder, self._shown), self._dtype, device, self._shown, learner.spread)
        where = {"device_map": "auto"} if learner.spread else {}
        model: Any
        try:
            if learner.trained:
                model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, dtype=dtype, **where)
            else:
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed)
                    model = _built(config, dtype=torch.float32).to(dtype)
        except Exception as error:
            raise UserError(f"in_context {self._shown!r} cannot be loaded: {said(error)}") from error
        placed: Any = model if where and learner.trained else model.to(device)
        return placed.eval().requires_grad_(False)

    def _check(self) -> int:
        """Check what measuring in context relies on: finite logits that hang on what came before alone, read at once or
        in parts; returns the bytes that are kept of a token.
        """
        ids = torch.arange(TRIED, device=self.device)[None] % self.vocabulary
        other = ids.clone()
        other[0, -1] = (ids[0, -1] + 1) % self.vocabulary
        whole, state = self._tried(None, ids)
        changed, _ = self._tried(None, other)
        if not bool(whole.isfinite().all()):
            raise UserError(f"logits of {self._shown!r} are not finite in {self._dtype}; use bfloat16 or float32")
        if not float((whole[:-1] - changed[:-1]).abs().max()) < LEAK:
            raise UserError(
                f"in_context {self._shown!r} is not causal: what it expects changes with what comes behind; only "
                "causal language models read a prompt"
            )
        if not getattr(state, "layers", None):
            raise UserError(
                f"in_context {self._shown!r} keeps nothing of what it has read (no cache), so it cannot go on from it"
            )
        half = TRIED // 2
        rest, _ = self._tried(self.taken(self._tried(None, ids[:, :half])[1], [0, 0]), ids[:, half:].repeat(2, 1))
        apart = float((whole[half:].repeat(2, 1) - rest).abs().max()) / max(float(whole.abs().max()), 1.0)
        if not apart < PARTS[self._dtype]:
            raise UserError(
                f"in_context {self._shown!r} does not go on from what it has read: read in two parts, a prompt has "
                f"other logits than at once, by {apart:.2g} of the largest"
            )
        tensors = [each for layer in state.layers for each in vars(layer).values() if isinstance(each, Tensor)]
        return sum(each.numel() * each.element_size() for each in tensors) // TRIED

    def _tried(self, state: Any, ids: Tensor) -> tuple[Tensor, Any]:
        """Logits of all places, and the state."""
        try:
            return self.expects(state, ids, torch.ones_like(ids, dtype=torch.bool))
        except Exception as error:
            raise UserError(f"in_context {self._shown!r} fails on a try of {TRIED} tokens: {said(error)}") from error


def config_of(folder: Path, shown: str) -> Any:
    """The configuration of a causal language model of transformers' own.

    Raises:
        UserError: it is an encoder-decoder, of no known type, or needs code of its own.
    """
    raw = configuration_of(folder, shown)
    kind, version = raw.get("model_type"), transformers.__version__
    if kind not in CAUSAL:
        if raw.get("auto_map"):
            raise UserError(
                f"in_context {shown!r} needs code of its own (auto_map); only architectures of transformers {version} "
                "are read"
            )
        what = (
            "an encoder-decoder"
            if raw.get("is_encoder_decoder")
            else f"no causal language model of transformers {version}"
        )
        raise UserError(f"in_context {shown!r} holds a {kind!r}, {what}; only causal language models read a prompt")
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise UserError(f"in_context {shown!r}: its config.json cannot be read: {said(error)}") from error


def tokens_of(folder: Path, shown: str) -> Tokens:
    """The tokens of a folder's tokenizer.

    Raises:
        UserError: it cannot be read.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise UserError(f"in_context {shown!r}: its tokenizer cannot be read: {said(error)}") from error
    return Tokens(tokenizer)


def weights_of(folder: Path, shown: str) -> int:
    """How many weights a model has; none are made."""
    try:
        with torch.device("meta"):
            return int(_built(config_of(folder, shown)).num_parameters())
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"in_context {shown!r} cannot be built: {said(error)}") from error


def _built(config: Any, **how: Any) -> Any:
    """A model of a configuration, its weights drawn."""
    return AutoModelForCausalLM.from_config(config, **how)  # type: ignore[no-untyped-call]


def gigabytes(weights: int, dtype: str) -> float:
    """What weights take, in GB."""
    return weights * DTYPES[dtype].itemsize / 1e9


def _check_memory(weights: int, dtype: str, device: torch.device, shown: str, spread: bool) -> None:
    if spread:
        if importlib.util.find_spec("accelerate") is None:
            raise UserError(
                "device_map: auto needs the package accelerate, which is not installed; install it, or leave it out"
            )
        return
    on_gpu = device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if on_gpu else psutil.virtual_memory().available
    needed = gigabytes(weights, dtype)
    if needed * 1e9 > free:
        half = f"dtype: bfloat16 ({gigabytes(weights, 'bfloat16'):.0f} GB), or " if dtype == "float32" else ""
        raise UserError(
            f"{shown!r} has {weights / 1e9:.1f}e9 weights, {needed:.0f} GB in {dtype}, and {free / 1e9:.0f} GB are "
            f"free on this {'GPU' if on_gpu else 'machine'}; give {half}device_map: auto"
        )
