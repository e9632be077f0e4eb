"""What several tests need: the repository's own configuration, and datasets made once per session."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Two processes with one thread each beat one with two; torch reads this when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

import pytest
import torch
import yaml

from indoubt.data.binary import binarize
from indoubt.data.datasets import write_dataset
from indoubt.learner import Learner
from indoubt.learners.fairseq_definitions import resolve
from tests.shared.tasks import released_tasks
from tests.shared.workspace import ROOT

torch.set_num_threads(1)
#: Folders whose single tests take up to a minute.
LONG = ("workflow", "project", "notebook", "report")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first: two workers then end at the same time, with short ones."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """What a test draws does not hang on which tests came before it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with the text and binary form of all datasets of the released tasks."""
    folder = tmp_path_factory.mktemp("results")
    for task in released_tasks().values():
        for size in task.sizes:
            for dataset in task.datasets:
                text = folder / "data" / task.name / str(size) / dataset
                write_dataset(task, size, dataset, text)
                binarize(text, folder / "data-bin" / task.name / str(size) / dataset)
    return folder


@pytest.fixture(scope="session")
def definitions() -> dict[str, dict[str, Any]]:
    """The learners of config.yaml, as they are defined there."""
    return dict(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))["learners"])


@pytest.fixture(scope="session")
def learner_of(definitions: dict[str, dict[str, Any]]) -> Callable[..., Learner]:
    """A function that gives a learner of config.yaml, with other arguments if wanted."""

    def of(name: str, updates: int = 10, batch_size: int | None = None, **changed: Any) -> Learner:
        return resolve(definitions[name] | changed, updates, batch_size)

    return of
