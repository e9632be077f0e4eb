"""How many numbers the C code's functions read or write of each array: what their comments say, for Python to check."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

_STATE = {"w": "out in", "m": "out in", "v": "out in"}
_ROWS = {"x": "rows in", "y": "rows out"}
_GATED = {"value": "models rows channels", "gate": "models rows channels", "product": "models rows 2 channels"}
_NORMED = {"x": "models rows in", "v": "models out in", "g": "models out", "w": "models out in", "norm": "models out"}

#: For each function and array a product of sizes, which are numbers, the function's own parameters and sums of both.
#: Of an array whose rows lie apart it is rows and columns. Arrays that are missing are as long as other arrays say.
EXTENTS: dict[str, dict[str, str]] = {
    "adam_of_product": {"left": "rows out", "right": "rows in", "along": "in", **_STATE},
    "squared_columns": {"w": "out in", "squares": "in"},
    "multiply": {"x": "rows out", "w": "out in", "y": "rows in"},
    "multiply_transposed": {"w": "out in", "bias": "out", **_ROWS},
    "transpose_matrix": {"from": "rows columns", "to": "columns rows"},
    "windows": {"lengths": "sequences"},
    "windows_backward": {"lengths": "sequences"},
    "gated_forward": {"scale": "models 2 channels", "bias": "models 2 channels", "y": "models rows channels", **_GATED},
    "gated_backward": {
        "dy": "models rows channels",
        "scale": "models 2 channels",
        "d_product": "models rows 2 channels",
        "d_scale": "models 2 channels",
        "d_bias": "models 2 channels",
        **_GATED,
    },
    "lstm_forward": {
        "gates": "rows 4 size",
        **dict.fromkeys(("before", "after", "squashed", "hidden"), "rows size"),
    },
    "lstm_backward": {
        **dict.fromkeys(("gates", "d_gates"), "rows 4 size"),
        **dict.fromkeys(("before", "squashed", "d_hidden", "d_cell"), "rows size"),
    },
    "cell_forward": {
        "weight": "4 size width",
        "bias": "4 size",
        "inputs": "to+1 batch width",
        "gates": "to batch 4 size",
        "cells": "to+1 batch size",
        "squashed": "to batch size",
        "active": "to",
    },
    "cell_backward": {
        "weight": "4 size width",
        **dict.fromkeys(("gates", "d_gates"), "times batch 4 size"),
        "cells": "times+1 batch size",
        "squashed": "times batch size",
        **dict.fromkeys(("d_hidden", "d_cell"), "batch size"),
        "d_inputs": "times batch width",
        "d_outputs": "to batch size",
        "active": "to",
    },
    "attend_forward": {
        "query": "rows size",
        "source": "rows times size",
        "lengths": "rows",
        "attended": "rows times",
        "context": "rows size",
    },
    "attend_backward": {
        "d_context": "rows size",
        "source": "rows times size",
        **dict.fromkeys(("attended", "d_scores"), "rows times"),
        "d_query": "rows size",
    },
    "draw_masks": {
        "rows": "n_rows",
        **dict.fromkeys(("counters", "thresholds", "scales"), "places"),
        "masks": "n_rows places",
    },
    "normed_linear": {"b": "models out", "y": "models rows out", **_NORMED},
    "normed_linear_backward": {
        "dy": "models rows out",
        "d_v": "models out in",
        **dict.fromkeys(("d_g", "d_b"), "models out"),
        "dx": "models rows in",
        "room": "rows out",
        **_NORMED,
    },
    "transformer_updates": {
        "sizes": "13",
        "data": "10",
        **dict.fromkeys(("w", "gradients", "first", "second", "block_sizes"), "blocks"),
        "chosen": "batch",
        "steps": "updates",
        "nats": "1",
    },
}


def numbers(function: str, array: str, given: Mapping[str, float], step: float | None = None) -> int:
    """How many numbers of an array a call uses; 0 where that is not told by its sizes.

    Args:
        given: the call's sizes, by their names.
        step: how far the array's rows lie apart; None: not at all.
    """
    extent = EXTENTS.get(function, {}).get(array)
    if extent is None:
        return 0
    sizes = [sum(_value(part, given) for part in factor.split("+")) for factor in extent.split()]
    if step is None or 0 in sizes:
        return prod(sizes)
    rows, columns = sizes
    return (rows - 1) * int(step) + columns


def _value(part: str, given: Mapping[str, float]) -> int:
    return int(part) if part.isdigit() else int(given[part])
