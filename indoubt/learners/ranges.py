"""Numbers that an argument of fairseq's can have: its parser takes any, and trains what cannot learn without a word."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

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
