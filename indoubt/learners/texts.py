"""Arguments of fairseq's that are texts in Python's words, `[(512, 3)] * 2`: refused where they say anything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from indoubt.data.literals import convolutions_of, value_of
from indoubt.engines.fused.adam import betas_of
from indoubt.errors import UserError

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
