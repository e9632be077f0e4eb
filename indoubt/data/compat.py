"""fairseq 0.9.0 on today's numpy and torch: the shims, each with its reason, and nowhere else.

Import this module before anything from fairseq; it imports fairseq itself.
"""

from __future__ import annotations

import argparse
import importlib
import warnings
from typing import Any

import numpy as np
import torch

from indoubt.data.literals import value_of

# numpy 1.24 removed the aliases that fairseq uses as dtypes (fairseq/data/indexed_dataset.py and others).
np.float = float  # type: ignore[attr-defined]
np.int = int  # type: ignore[attr-defined]

# fairseq calls torch's deprecated signatures (`add_(scalar, tensor)` in its Adam, ...) at every update.
warnings.filterwarnings("ignore", category=UserWarning, module=r"fairseq\..*")
warnings.filterwarnings("ignore", category=SyntaxWarning, module=r"fairseq\..*")
# fairseq's Transformer passes masks of two types, its convolutions use torch's old weight norm and hooks.
warnings.filterwarnings("ignore", message="Support for mismatched key_padding_mask")
warnings.filterwarnings("ignore", message=".*weight_norm.* is deprecated")
warnings.filterwarnings("ignore", message="Using non-full backward hooks")
warnings.filterwarnings("ignore", message=".*torch.jit.script.* is deprecated")

from fairseq import checkpoint_utils, meters, search  # noqa: E402

# Parts of fairseq that evaluate texts of their arguments as Python; a text may be somebody else's and do anything. They
# find this `eval` before Python's own.
EVALUATING = (
    "checkpoint_utils",
    "options",
    *(f"optim.{name}" for name in ("adam", "adamax", "adafactor")),
    *(
        f"models.{name}"
        for name in ("fconv", "fconv_lm", "fconv_self_att", "lightconv_lm", "transformer_lm", "wav2vec")
    ),
)
for _name in EVALUATING:
    importlib.import_module(f"fairseq.{_name}").eval = value_of  # type: ignore[attr-defined]


class _FlooringTorch:
    """`torch` as fairseq/search.py sees it: `torch.div` of integers floors, as it did before torch 1.6."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def div(dividend: torch.Tensor, divisor: int, out: torch.Tensor) -> torch.Tensor:
        return torch.div(dividend, divisor, rounding_mode="floor", out=out)


class _LoadingTorch:
    """`torch` as fairseq/checkpoint_utils.py sees it: its checkpoints pickle a Namespace and meters, which torch 2.6
    refuses; all else that a file could run is refused still."""

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    @staticmethod
    def load(*args: Any, **kwargs: Any) -> Any:
        pickled = [argparse.Namespace, meters.AverageMeter, meters.StopwatchMeter, meters.TimeMeter]
        with torch.serialization.safe_globals(pickled):
            return torch.load(*args, **{"weights_only": True, **kwargs})


search.torch = _FlooringTorch()
checkpoint_utils.torch = _LoadingTorch()
