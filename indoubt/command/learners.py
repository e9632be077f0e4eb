"""List the learners that have a name: what each is, as a configuration defines it, and what a seed of it costs.

indoubt learners
"""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from indoubt.command import named_parser, text_table
from indoubt.workflow.named_learners import ON, named_costs, named_learners

HEADS = ("learner", "FPA", "both", "definition")
#: What says of a learner what kind it is.
KINDS = ("arch", "module", "hf")


def parser() -> argparse.ArgumentParser:
    return named_parser("learners", __doc__)


def main(words: Sequence[str] | None = None) -> None:
    parser().parse_args(words)
    learners, costs = named_learners(), named_costs()
    shared = _shared([definition for definition in learners.values() if "arch" in definition])
    said = (
        f"Cost: seconds on one CPU core for one seed of {ON}, many seeds trained together, for FPA and for both "
        "measures, expected, good within a factor of two; for other tasks and sizes ask `indoubt estimate`. Those of "
        f"fairseq also have {_in_words(shared)}."
    )
    print(textwrap.fill(said, shutil.get_terminal_size((120, 24)).columns), end="\n\n")
    rows = []
    for name, definition in learners.items():
        own = {key: value for key, value in definition.items() if shared.get(key) != value}
        cost = costs.get(name, {})
        rows.append((name, *(_seconds(cost.get(measure)) for measure in ("fpa", "both")), _in_words(own)))
    print(text_table(HEADS, rows))


def _shared(definitions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all of some definitions say."""
    first, *others = definitions
    return {key: first[key] for key in first if all(other.get(key) == first[key] for other in others)}


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 10 else f"{value:g}"


def _in_words(definition: Mapping[str, Any]) -> str:
    def said(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    kinds = [
        str(definition[key]) if key == "arch" else f"{key} {definition[key]}" for key in KINDS if key in definition
    ]
    others = [f"{key} {said(value)}" for key, value in definition.items() if key not in KINDS]
    return ", ".join(kinds + others)
