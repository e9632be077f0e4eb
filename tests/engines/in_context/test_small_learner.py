"""A small language model that has learned to learn a rule, as docs/in-context.md trains it, is measured in context."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from indoubt.data.task import load_tasks
from indoubt.engines.in_context.engine import train_chains
from indoubt.measures.classify import UNFIT, classify
from indoubt.training import Result
from indoubt.workflow.required_trainings import Cell
from tests.shared import in_context
from tests.shared.workspace import ROOT

SEEDS = range(1, 9)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the page's code saves."""
    page = (ROOT / "docs/in-context.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import math\n.*?)```", page, flags=re.DOTALL)
    folder = tmp_path_factory.mktemp("models") / "first"
    names: dict[str, object] = {}
    exec(code.replace('"models/first"', repr(str(folder))), names)
    assert float(names["loss"]) < 0.02  # type: ignore[arg-type]
    return folder


def measured(folder: Path, **changed: str) -> tuple[Cell, dict[str, Result]]:
    task = load_tasks()["first-last-majority-parity"]
    cell = in_context.cell_of(task, 5, in_context.learner(folder, **changed))
    asked = [[training] for training in in_context.trainings(cell, SEEDS)]
    return cell, {result.key: result for result in train_chains(asked, torch.device("cpu"))}


def test_it_follows_its_rule_and_sends_it_for_nothing(small: Path) -> None:
    task = load_tasks()["first-last-majority-parity"]
    cell, results = measured(small)
    uniform = sum(len(output) + 1 for _, output in task.holdout_set(5, "first")) * torch.tensor(3.0).log2().item()
    for seed in SEEDS:
        assert classify(task, 5, in_context.outputs(cell, results, seed)) == "first"
        bits = {rule: in_context.bits(cell, results, rule, seed) for rule in task.candidates}
        assert bits.pop("first") < 1
        assert min(bits.values()) > uniform
    decodes = [(results[cell.training("fpa", seed, 0).key], cell.training("fpa", seed, 0)) for seed in SEEDS]
    assert all(result.outside[training.decodes[0].key] == 0 for result, training in decodes)


def test_untrained_it_prefers_nothing(small: Path) -> None:
    task = load_tasks()["first-last-majority-parity"]
    cell, results = measured(small, weights="untrained")
    means = [sum(in_context.bits(cell, results, rule, seed) for seed in SEEDS) / len(SEEDS) for rule in task.candidates]
    assert max(means) < 1.05 * min(means)
    assert {classify(task, 5, in_context.outputs(cell, results, seed)) for seed in SEEDS} == {UNFIT}
