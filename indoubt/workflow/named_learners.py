"""The learners that have a name."""

from __future__ import annotations

from typing import Any

from indoubt.files import ROOT


def named_learners() -> dict[str, dict[str, Any]]:
    """Their definitions, all of which stand in config.yaml."""
    import yaml  # now: it is not needed for learners of one's own

    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["learners"]
    return found
