"""Speed of engine `modules`: models of one learner trained together, beside the same learner trained alone.

Alone means without `vmap`: plain autograd on one model. Used by benchmarks/engines.py for the learners of
config.yaml.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from indoubt.engines.modules.engine import train_chains
from indoubt.learner import Learner
from indoubt.learners.module_definitions import resolve_module
from indoubt.training import Protocol, Training

CONFIG = Path(__file__).resolve().parent.parent / "config.yaml"
#: Models trained alone beside those together; the median counts.
ALONE = 3


def definitions() -> dict[str, dict[str, Any]]:
    """The learners of config.yaml that are modules; none where YAML is not installed."""
    try:
        import yaml
    except ImportError:
        return {}
    found: dict[str, dict[str, Any]] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["learners"]
    return {name: definition for name, definition in found.items() if "arch" not in definition}


def measure_together(
    definition: dict[str, Any],
    updates: int,
    seeds: int,
    trainings_of: Callable[[Learner, Sequence[int]], list[Training]],
    timed: Callable[[Callable[[], object], torch.device], float],
    device: torch.device,
) -> dict[str, Any]:
    """Seconds per training alone (`seconds_reference`) and together (`seconds_fused`), and their ratio.

    Args:
        trainings_of: the trainings of a learner with some seeds.
        timed: seconds that some work takes on a device.
    """
    resolved = resolve_module(definition, updates, None, Protocol(), None, (20, 40))
    learner = resolved.learner
    by_itself = replace(learner, arguments=learner.arguments | {"together": False})
    chains = [[training] for training in trainings_of(learner, range(1, seeds + 1))]
    alone = []
    for place in range(ALONE):
        (one,) = trainings_of(by_itself, [place + 1])
        alone.append(timed(lambda one=one: list(train_chains([[one]], device)), device))  # type: ignore[misc]
        if place == ALONE // 2:
            together = timed(lambda: list(train_chains(chains, device)), device) / seeds
    return {
        "weights": resolved.tried.weights,
        "alone_because": resolved.tried.alone,
        "seconds_reference": statistics.median(alone),
        "n_reference": len(alone),
        "seconds_fused": together,
        "ratio": statistics.median(alone) / together,
    }
