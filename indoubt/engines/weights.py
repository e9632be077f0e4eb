"""The weights of a trained model as a file holds them: plain tensors, and what a module keeps beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
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


def weights_digest(path: Path) -> str:
    """SHA-256 of what a checkpoint holds, in whatever file it stands: two of equal weights are of one digest.

    Raises:
        UserError: as `read_content`.
    """
    found = hashlib.sha256()
    for name, value in _leaves(read_content(path), ""):
        said = f"{name} {value.dtype} {tuple(value.shape)}" if isinstance(value, torch.Tensor) else f"{name} {value!r}"
        found.update(said.encode() + b"\n")
        if isinstance(value, torch.Tensor):
            found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """All that stands in nested mappings, in the order of its names."""
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _leaves(value[key], f"{name}/{key}")
    else:
        yield name, value
