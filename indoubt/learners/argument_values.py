"""What values fairseq's arguments can have: numbers have ranges, and texts say what they may.

fairseq's own parser takes any number, and trains what cannot learn without a word; texts in Python's words, `[(512, 3)]
* 2`, it evaluates.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from indoubt.data.literals import convolutions_of, value_of
from indoubt.engines.fused.adam import betas_of
from indoubt.errors import UserError

#: What the arguments of a name may be, in words and as a check; the first pattern that fits decides.
RANGES: tuple[tuple[str, str, Callable[[float], bool]], ...] = (
    (r"lr", "above 0", lambda value: value > 0),
    (r"warmup_init_lr", "0 or above, or -1 (fairseq's own start)", lambda value: value >= 0 or value == -1),
    (r"clip_norm|weight_decay|warmup_updates|.*_layers", "0 or above", lambda value: value >= 0),
    (r"adam_eps", "above 0", lambda value: value > 0),
    (r"(.*_)?(dropout|layerdrop)", "from 0 to below 1", lambda value: 0 <= value < 1),
    (r".*_(embed_dim|hidden_size|heads)|(.*_)?out_embed_dim", "1 or above", lambda value: value >= 1),
)


def check_ranges(arguments: Mapping[str, Any]) -> None:
    """Refuse numbers with which a learner would be trained for nothing; of a list of numbers, each.

    Raises:
        UserError: the argument, its value and what it may be.
    """
    for name, value in sorted(arguments.items()):
        numbers = [each for each in (value if isinstance(value, list) else [value]) if _is_number(each)]
        for pattern, allowed, holds in RANGES:
            if re.fullmatch(pattern, name):
                wrong = [number for number in numbers if not (math.isfinite(number) and holds(number))]
                if wrong:
                    raise UserError(f"argument {name!r} is {wrong[0]}; it must be {allowed}")
                break


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


#: Those of convolutional learners that are a truth value, or a list of one for each layer.
SWITCHES = tuple(f"{which}_attention" for which in ("encoder", "decoder", "self", "gated"))
SWITCHES += ("project_input", "downsample", "pretrained")


def check_texts(arguments: Mapping[str, Any]) -> None:
    """Refuse texts that cannot be read: nothing in a definition is evaluated as Python.

    Raises:
        UserError: the argument, its value and what it may be.
    """
    for names, read, allowed in (
        (("encoder_layers", "decoder_layers"), convolutions_of, "a list of (channels, width): [(512, 3)] * 2"),
        (SWITCHES, _switches_of, "True, False or a list of them: [True] * 2"),
        (("adam_betas",), lambda _: betas_of(arguments), "two numbers from 0 to below 1: (0.9, 0.999)"),
        (("adamax_betas", "adafactor_eps"), _pair_of, "two numbers: (0.9, 0.999)"),
        (("adaptive_softmax_cutoff",), _numbers_of, "whole numbers: 100,200"),
    ):
        _check(arguments, names, read, allowed)


def _check(arguments: Mapping[str, Any], names: tuple[str, ...], read: Callable[[str], Any], allowed: str) -> None:
    for name in names:
        if isinstance(arguments.get(name), str):
            try:
                read(arguments[name])
            except ValueError:
                raise UserError(f"argument {name!r} is {arguments[name]!r}; it must be {allowed}") from None


def _switches_of(text: str) -> None:
    value = value_of(text)
    if not all(isinstance(each, bool | int) for each in (value if isinstance(value, list | tuple) else [value])):
        raise ValueError(text)


def _pair_of(text: str) -> None:
    value = value_of(text)
    if not isinstance(value, tuple | list) or [isinstance(each, int | float) for each in value] != [True] * 2:
        raise ValueError(text)


def _numbers_of(text: str) -> None:
    value = value_of(text)
    if not all(type(each) is int for each in (value if isinstance(value, list | tuple) else [value])):
        raise ValueError(text)
