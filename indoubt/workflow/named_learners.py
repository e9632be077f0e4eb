"""The learners that have a name."""

from __future__ import annotations

from typing import Any

from indoubt.files import ROOT

#: Where they are defined; a later file's definition goes before that of an earlier one.
DEFINED = ("presets/atlas.yaml", "config.yaml", "presets/learners.yaml")


def named_learners() -> dict[str, dict[str, Any]]:
    """The definitions that have a name."""
    import yaml  # now: it is not needed for learners of one's own

    known: dict[str, dict[str, Any]] = {}
    for path in DEFINED:
        known |= yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))["learners"]
    return known
