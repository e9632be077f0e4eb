"""A learner that is a folder with a language model, read as it is, in context: checked before anything is measured."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any, get_args

import torch
import transformers

from indoubt.engines.in_context.folder import identity_of
from indoubt.engines.in_context.model import DTYPES, HuggingFaceReader, config_of, gigabytes, tokens_of, weights_of
from indoubt.engines.in_context.prompts import FORMATS, Format, Pool, Writer
from indoubt.errors import UserError, nearest
from indoubt.learner import InContextLearner, Keys, LookedAt
from indoubt.learners.module_definitions import PAPER

#: Keys of a definition with what they may be; the first is taken where nothing is given.
CHOICES: dict[str, tuple[Any, ...]] = {
    "symbols": get_args(Pool),
    "order": ("drawn", "given"),
    "weights": ("trained", "untrained"),
    "dtype": tuple(DTYPES),
    "device_map": (None, "auto"),
}
KEYS = ("in_context", "format", "copies", *CHOICES)
#: What other definitions may hold, and says how something is trained.
OF_TRAINING = {*PAPER, "updates", "batch_size", "user_dir", "start"}
#: Models of more weights are not tried out while a run is planned, and must say in which numbers they are read.
LARGE = 2_000_000_000
#: Operations a second on one CPU thread, which a model of this size is taken to need.
OPERATIONS = 6.6e10
#: Rows and tokens that are timed.
TIMED = (8, 32)


def resolve_definition(definition: Keys, request: Keys, longest: tuple[int, int], cells: Sequence[Keys]) -> Keys:
    """As `learners.resolution.resolve_any`, for a definition by `in_context`."""
    learner, looked_at = resolve_in_context(definition, cells, request.get("models"))
    about: dict[str, Any] = {"learner": learner.to_json(), "not_fused": None, "cannot_tell": ()}
    return about if looked_at is None else about | {"looked_at": asdict(looked_at)}


def resolve_in_context(
    definition: Mapping[str, Any], cells: Sequence[Mapping[str, Any]] = (), known: Mapping[str, str] | None = None
) -> tuple[InContextLearner, LookedAt | None]:
    """The learner of a definition by `in_context`, and what looking at its folder has shown.

    Args:
        cells: mappings with `cell` (`task/size`), `source` and `target`, the symbols that it will have to write.
        known: by folder, what it is said to hold. Of one that is not there, results can then be shown, and nothing can
            be measured: nothing is known of it then.

    Raises:
        UserError: the definition is wrong, or the folder's model cannot read these prompts.
    """
    given = {str(key).replace("-", "_"): value for key, value in definition.items()}
    for key in given:
        if key in OF_TRAINING:
            raise UserError(f"nothing is trained in context; leave `{key}` out")
        if key not in KEYS:
            raise UserError(f"unknown key {key!r} of a learner by in_context{nearest(key, KEYS)}")
    folder = given["in_context"]
    if not isinstance(folder, str):
        raise UserError(f"in_context must be the path of a folder, it is {folder!r:.80}")
    chosen = {key: _choice(key, given) for key in CHOICES}
    spread = chosen.pop("device_map") == "auto"
    arguments = {
        "format": _format(given.get("format", "arrow")),
        "copies": _copies(given.get("copies", 1)),
        "transformers": transformers.__version__,
        **chosen,
    }
    path, said_to_hold = Path(folder), (known or {}).get(folder)
    if said_to_hold is not None and not path.exists():
        return InContextLearner(arguments | {"in_context": said_to_hold}, folder=folder, spread=spread), None
    held = _checked_identity(path, folder, said_to_hold)
    learner = InContextLearner(arguments | {"in_context": held}, folder=folder, spread=spread)
    return learner, _look(learner, cells, "dtype" in given)


def _choice(key: str, given: Mapping[str, Any]) -> Any:
    allowed = CHOICES[key]
    value = given.get(key, allowed[0])
    if isinstance(value, bool) or value not in allowed:
        known = [each for each in allowed if each is not None]
        raise UserError(f"{key} {value!r}: it must be {' or '.join(map(str, known))}{nearest(value, known)}")
    return value


def _format(given: Any) -> str | dict[str, str]:
    """A format by its name, or by all of its texts."""
    if isinstance(given, str) and given in FORMATS:
        return given
    names = tuple(Format.__dataclass_fields__)
    form = f"one of {', '.join(FORMATS)}, or a mapping of the texts {', '.join(names)}"
    if not isinstance(given, Mapping):
        raise UserError(f"format {given!r:.80}: it must be {form}{nearest(given, FORMATS)}")
    texts = {"before": "", "instruction": "", **given}
    for name, text in texts.items():
        if name not in names:
            raise UserError(f"format has no text {name!r}{nearest(name, names)}; it is {form}")
        if not isinstance(text, str):
            raise UserError(f"format: {name} is {text!r:.80}; it must be a text")
    absent = [name for name in names if name not in texts]
    if absent:
        raise UserError(f"format lacks the text {absent[0]!r}; it is {form}")
    own = Format(**texts)
    return next((name for name, known in FORMATS.items() if known == own), dict(sorted(texts.items())))


def _copies(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise UserError(
            f"copies {given!r}: T stands in the prompt once or more often; it must be a whole number from 1 on"
        )
    return given


def _checked_identity(path: Path, folder: str, said_to_hold: str | None) -> str:
    config_of(path, folder)
    held = identity_of(path)
    if said_to_hold not in (None, held):
        raise UserError(
            f"in_context {folder!r} holds another model ({held[:12]}) than the configuration says under `models` "
            f"({str(said_to_hold)[:12]}); take that out to measure what is there, or put the other one back"
        )
    return held


def _look(learner: InContextLearner, cells: Sequence[Mapping[str, Any]], dtype_given: bool) -> LookedAt:
    """What can be said of a model without a task; and whether there is a token for each symbol of its tasks."""
    folder, path = learner.folder, Path(learner.folder)
    weights, config, tokens = weights_of(path, folder), config_of(path, folder), tokens_of(path, folder)
    if weights > LARGE and not dtype_given:
        sizes = " or ".join(f"{name} ({gigabytes(weights, name):.0f} GB)" for name in ("bfloat16", "float32"))
        raise UserError(
            f"{folder!r} has {weights / 1e9:.1f}e9 weights; say in which numbers it is read, dtype: {sizes}"
        )
    text = config.get_text_config()
    if tokens.largest >= text.vocab_size:
        raise UserError(
            f"in_context {folder!r}: its tokenizer has tokens up to {tokens.largest} and its model {text.vocab_size} "
            "embeddings, so that they do not belong together"
        )
    writer = Writer(tokens, learner.arguments, folder)
    for cell in cells:
        writer.tokens_of({*cell["source"], *cell["target"]}, 1, str(cell["cell"]))
    if weights > LARGE:
        seconds, kept = 2 * weights / OPERATIONS, _kept_as_configured(text, DTYPES[learner.arguments["dtype"]])
    else:
        seconds, kept = _measured(learner.arguments["in_context"], folder, learner.arguments["dtype"], learner.trained)
    reads = getattr(text, "max_position_embeddings", None)
    head, around = len(writer.head), writer.around
    return LookedAt(config.model_type, weights, reads, text.vocab_size, head, around, seconds, kept)


def _kept_as_configured(config: Any, dtype: torch.dtype) -> int:
    """Bytes of keys and values of a token in all layers."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * width * dtype.itemsize)


@lru_cache(maxsize=8)
def _measured(held: str, folder: str, dtype: str, trained: bool) -> tuple[float, int]:
    """Seconds that a token takes, and bytes that are kept of it, of a model that is loaded, tried, and forgotten."""
    arguments = {"in_context": held, "dtype": dtype, "weights": "trained" if trained else "untrained"}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        reader = HuggingFaceReader(InContextLearner(arguments, folder=folder), torch.device("cpu"), 1)
        ids = torch.zeros(TIMED, dtype=torch.long)
        started = time.process_time()
        reader.read(reader.start(), ids)
        seconds = (time.process_time() - started) / ids.numel()
    finally:
        torch.set_num_threads(threads)
    return float(2.0 ** (round(2 * math.log2(max(seconds, 1e-7))) / 2)), reader.kept
