"""The learners that have a name, and what a seed of each costs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from indoubt.files import ROOT

#: What a seed of each costs at a task and size, as `benchmarks/named_learners.py` has it: expected seconds of one
#: CPU core, `fpa` for its one training on T, `both` for all trainings of both measures.
COSTS, ON = Path(__file__).with_name("named_costs.json"), "add-or-mul/5"


def named_learners() -> dict[str, dict[str, Any]]:
    """Their definitions, all of which stand in config.yaml."""
    import yaml  # now: it is not needed for learners of one's own

    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["learners"]
    return found


def named_costs() -> dict[str, dict[str, Any]]:
    """By name `fpa` and `both` in seconds, and the hash of the `definition` that was measured."""
    found: dict[str, dict[str, Any]] = json.loads(COSTS.read_text(encoding="utf-8"))
    return found


def definition_hash(definition: Mapping[str, Any]) -> str:
    """What tells a learner that was measured from one that was defined anew since."""
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()[:12]
