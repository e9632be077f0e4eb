"""A learner by the name of a Hugging Face architecture: its type, keys and size, checked before it is built.

Hugging Face itself takes any key, and its defaults are billions of weights. Imported only where a learner is one.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import transformers
from transformers import CONFIG_MAPPING, AutoConfig, PretrainedConfig
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL,
)
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES as SEQ2SEQ,
)

from indoubt.data.literals import spelled_as
from indoubt.engines.modules import hugging_face
from indoubt.errors import UserError, nearest, said
from indoubt.learners.trial import too_large

#: Keys of a configuration that are set here and not by a user; besides every id of a special symbol.
OURS = {"vocab_size", "attn_implementation", "dtype", "torch_dtype", *hugging_face.SET_HERE, "is_encoder_decoder"}
#: Files that hold a pretrained model's weights.
WEIGHT_FILES = ("*.safetensors", "*.bin")


def resolve(given: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The arguments that identify a learner, and the folder of its weights if it is pretrained.

    Args:
        given: `hf`, `head` and `pretrained` if given, and keys of the type's configuration.

    Raises:
        UserError: no such type, an unknown key, too large, a folder that holds no model of this type.
    """
    own = dict(given)
    hf, head, pretrained = own.pop("hf"), own.pop("head", None), own.pop("pretrained", None)
    head = _head(hf, head)
    arguments: dict[str, Any] = {"hf": hf, "head": head, "transformers": transformers.__version__}
    if pretrained is not None:
        folder = Path(str(pretrained)).resolve()
        config = _pretrained_config(hf, folder, own)
        arguments["pretrained"] = _weights_hash(folder, pretrained)
    else:
        _check_keys(hf, own)
        own = {name: spelled_as(value, _default(hf, name)) for name, value in own.items()}
        config = _config(hf, own)
    arguments["config"] = own  # the rest is that version's defaults
    _check_size(hf, config, head)
    return arguments, None if pretrained is None else str(folder)


def _head(hf: Any, head: Any) -> str:
    """`causal` or `seq2seq`: what the type has, or of both what is asked for."""
    if not isinstance(hf, str):
        raise UserError(f"hf {hf!r} is no text; give the name of an architecture, such as gpt2")
    found = [name for name, types in (("seq2seq", SEQ2SEQ), ("causal", CAUSAL)) if hf in types]
    if not found:
        known = sorted({*CAUSAL, *SEQ2SEQ})
        if hf in CONFIG_MAPPING:
            raise UserError(
                f"hf {hf!r} is no language model and no encoder-decoder of transformers {transformers.__version__}: it "
                "gives no logits of a next symbol"
            )
        raise UserError(f"no architecture {hf!r} in transformers {transformers.__version__}{nearest(hf, known)}")
    if head is None:
        return found[0]
    if head not in found:
        raise UserError(f"head {head!r}: hf {hf!r} has {' or '.join(found)}")
    return str(head)


def _config(hf: str, own: Mapping[str, Any]) -> PretrainedConfig:
    try:
        return hugging_face.configuration(hf, own, symbols=16)
    except Exception as error:  # each type checks its values in its own way
        raise UserError(f"hf {hf!r} refuses its configuration: {said(error)}") from error


def _default(hf: str, name: str) -> Any:
    """The value that a key of a configuration has where none is given; of a part's, all of its own."""
    value = getattr(AutoConfig.for_model(hf), name, None)
    return vars(value) if isinstance(value, PretrainedConfig) else value


def _check_keys(hf: str, own: Mapping[str, Any]) -> None:
    """Refuse keys that the type's configuration, or a part of it, does not have."""
    kind = type(AutoConfig.for_model(hf))
    for name, value in own.items():
        _check_key(hf, name, kind)
        part = kind.sub_configs.get(name)
        if part is not None and isinstance(value, Mapping):
            for inner in value:
                _check_key(f"{hf}.{name}", inner, part)


def _check_key(hf: str, name: str, kind: type) -> None:
    known = _keys(kind)
    if name in OURS or name.endswith("_token_id"):
        raise UserError(f"key {name!r} of hf {hf!r} is set by doubt; leave it out")
    if name not in known:
        raise UserError(f"unknown key {name!r} of hf {hf!r}{nearest(name, known)}")


def _keys(kind: type) -> list[str]:
    """The keys that a configuration has of its own, and their other names."""
    parameters = inspect.signature(kind.__init__).parameters.values()  # type: ignore[misc]
    own = [each.name for each in parameters if each.kind == each.KEYWORD_ONLY]
    return [name for name in [*own, *getattr(kind, "attribute_map", {})] if name not in OURS]


def _check_size(hf: str, config: PretrainedConfig, head: str) -> None:
    """Count the weights without making them."""
    try:
        fault = too_large(lambda: hugging_face.make(config, head == "causal"))
    except Exception as error:
        raise UserError(f"hf {hf!r} cannot be built: {said(error)}") from error
    if fault is not None:
        raise UserError(f"hf {hf!r} {fault} ({', '.join(_sizes(config))})")


def _sizes(config: PretrainedConfig) -> list[str]:
    """The keys that decide most of a size, as this type calls them."""
    names = ("hidden_size", "num_hidden_layers", "intermediate_size")
    kind = type(config)
    known = _keys(kind)
    own = [kind.attribute_map.get(name, name) for name in names]
    parts = [f"{part}.{name}" for part in kind.sub_configs for name in names[:2]]
    return [name for name in own if name in known] or parts or ["hidden_size", "num_hidden_layers"]


def _pretrained_config(hf: str, folder: Path, own: Mapping[str, Any]) -> PretrainedConfig:
    """The configuration of a folder that `save_pretrained` wrote."""
    if own:
        raise UserError(f"key {next(iter(own))!r}: a pretrained model has its own sizes; leave it out")
    if not (folder / "config.json").is_file():
        raise UserError(f"pretrained {str(folder)!r} holds no model that save_pretrained wrote: no config.json")
    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True)
    except Exception as error:
        raise UserError(f"pretrained {str(folder)!r}: config.json cannot be read: {said(error)}") from error
    if config.model_type != hf:
        raise UserError(f"pretrained {str(folder)!r} holds a model of type {config.model_type!r}, not {hf!r}")
    return config


def _weights_hash(folder: Path, shown: str) -> str:
    """SHA-256 of a folder's weights."""
    files = sorted(path for pattern in WEIGHT_FILES for path in folder.glob(pattern))
    if not files:
        raise UserError(
            f"pretrained {shown!r} holds no weights that save_pretrained wrote: no {' or '.join(WEIGHT_FILES)}"
        )
    total = hashlib.sha256()
    for path in files:
        total.update(path.read_bytes())
    return total.hexdigest()
