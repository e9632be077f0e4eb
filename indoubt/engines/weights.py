"""The weights of a trained model as a file holds them: plain tensors, and what a module keeps beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from indoubt.errors import UserError

FORMAT = "doubt-checkpoint-1"


@dataclass(frozen=True)
class Weights:
    """A model's `state_dict`, and of a module what it holds beside (`modules.contents`); None: nothing."""

    state: dict[str, torch.Tensor]
    contents: dict[str, dict[str, Any]] | None = None


def read_content(path: Path) -> dict[str, Any]:
    """What `checkpoints.save_checkpoint` wrote.

    Raises:
        UserError: the file is missing, damaged or of another program.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise UserError(f"no checkpoint {path}; train first, with `indoubt train ... --save-dir DIR`") from None
    except Exception as error:
        raise UserError(
            f"{path} is no checkpoint of doubt, or it is damaged: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path} is no checkpoint of doubt; give the 0.pt that `indoubt train` wrote")
    return content


def read_weights(path: Path) -> Weights:
    """The weights of a checkpoint, whatever learner they are of.

    Raises:
        UserError: as `read_content`.
    """
    content = read_content(path)
    return Weights(content["state_dict"], content.get("contents"))
