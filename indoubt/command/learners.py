"""List the learners that have a name: what each is, as a configuration defines it.

indoubt learners
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from indoubt.command import named_parser
from indoubt.command.text_table import text_table
from indoubt.workflow.named_learners import named_learners


def parser() -> argparse.ArgumentParser:
    return named_parser("learners", __doc__)


def main(words: Sequence[str] | None = None) -> None:
    parser().parse_args(words)
    learners = named_learners()
    print(text_table(("learner", "definition"), [(name, _in_words(learners[name])) for name in learners]))


def _in_words(definition: Mapping[str, Any]) -> str:
    def said(value: Any) -> str:
        return str(value).lower() if isinstance(value, bool) else str(value)

    return ", ".join(f"{key} {said(value)}" for key, value in definition.items())
