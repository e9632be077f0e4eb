"""How many seeds each cell took whose seeds are trained in steps, and why it stopped."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from indoubt.measures.rows import Row
from indoubt.schema import columns_of
from indoubt.workflow.cells import Look, read_look


def stops_table(paths: Iterable[Path]) -> pd.DataFrame:
    """One row per cell of steps, as its last look saw it.

    `e_value` is the least evidence that `rule` is preferred to another of the task's rules, by `measure`, adjusted over
    the `n_pairs` pairs of the task's cells (`anytime`); from `needed` on the cell is decided.

    Args:
        paths: the files of all looks, `{task}/{number}.json`.
    """
    by_task: dict[str, dict[int, dict[str, Look]]] = {}
    for path in paths:
        by_task.setdefault(path.parent.name, {})[int(path.stem)] = read_look(path)
    rows: list[Row] = []
    for task, looks in sorted(by_task.items()):
        for name, look in looks[max(looks)].items():
            size, learner = name.split("/", 1)
            n_looks = 1 + min(number for number in looks if looks[number][name].seeds == look.seeds) - min(looks)
            rows.append(
                {"task": task, "size": int(size), "learner": learner, "n_seeds": look.seeds, "at_most": look.most}
                | {"n_looks": n_looks, "decided": look.decided, "rule": look.rule, "measure": look.measure}
                | {"e_value": look.e_value, "needed": look.needed, "n_pairs": look.n_pairs, "why": _why(look)}
            )
    return pd.DataFrame(rows, columns=columns_of("stops"))


def _why(look: Look) -> str:
    measure = "code length" if look.measure == "code_length" else "FPA"
    evidence = f"e-value {look.e_value:.3g} against {look.needed:.0f}, by {measure}, adjusted over {look.n_pairs} pairs"
    if look.decided:
        return f"{look.seeds} seeds: sure that {look.rule} is preferred ({evidence})"
    return f"{look.seeds} seeds, the most there may be: not sure; {look.rule} leads ({evidence})"
