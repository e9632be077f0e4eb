"""Which model a folder holds that `save_pretrained` wrote: checked, and known by what decides its numbers."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from indoubt.errors import UserError

#: Files whose names and contents decide what is read: weights, configuration, tokenizer. How a model would be talked to
#: (chat_template, generation_config) does not count.
COUNTED = (
    *("config.json", "*.safetensors", "*.bin", "*.safetensors.index.json", "*.bin.index.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "tokenizer.model"),
    *("spiece.model", "vocab.*", "merges.txt"),
)
WEIGHTS = ("*.safetensors", "*.bin")
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "spiece.model", "vocab.*")


def files_of(folder: Path) -> list[Path]:
    """The files that count, by name."""
    return sorted({path for pattern in COUNTED for path in folder.glob(pattern) if path.is_file()})


def identity_of(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's files, which its own name is no part of."""
    total = hashlib.sha256()
    for path in files_of(folder):
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()


def configuration_of(folder: Path, shown: str) -> dict[str, Any]:
    """The configuration of a folder that holds a model with its tokenizer.

    Args:
        shown: what messages call the folder.

    Raises:
        UserError: what it lacks, or why what it holds cannot be read.
    """
    about = f"in_context {shown!r}"
    if not folder.is_dir():
        raise UserError(f"{about} is no folder; give one that a model's and its tokenizer's save_pretrained wrote")
    weights = any(path for pattern in WEIGHTS for path in folder.glob(pattern))
    if not weights and any(folder.glob("*.gguf")):
        raise UserError(
            f"{about} holds a .gguf file and no weights that save_pretrained wrote; convert it as docs/in-context.md "
            "says (needs gguf and accelerate)"
        )
    if not (folder / "config.json").is_file() or not weights:
        absent = "config.json" if weights else "weights (*.safetensors or *.bin)"
        raise UserError(f"{about} holds no model that save_pretrained wrote: no {absent}")
    if not any(path for pattern in TOKENIZERS for path in folder.glob(pattern)):
        raise UserError(
            f"{about} has no tokenizer (tokenizer.json); save it beside the model by tokenizer.save_pretrained"
        )
    try:
        found = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except ValueError as error:
        raise UserError(f"{about}: its config.json cannot be read: {error}") from None
    return found
