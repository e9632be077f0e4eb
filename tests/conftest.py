"""What several tests need: the repository's own configuration, and datasets made once per session."""

from __future__ import annotations

import contextlib
import os
import sys
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
from tests.shared.prepared import PYTHON, prepared_python
from tests.shared.tasks import released_tasks
from tests.shared.workspace import ROOT

torch.set_num_threads(1)
#: Folders whose single tests take up to a minute.
LONG = ("workflow", "project", "notebook", "report")
#: Where worker processes find the `python` that starts with the libraries imported.
PREPARED = "DOUBT_TESTS_PREPARED"


def pytest_configure(config: pytest.Config) -> None:
    """Tests run commands by a Python that has the libraries imported (`tests/shared/prepared`); all workers by one."""
    if PREPARED not in os.environ and sys.platform == "linux":
        opened = contextlib.ExitStack()
        os.environ[PREPARED] = opened.enter_context(prepared_python())
        config.add_cleanup(lambda: os.environ.pop(PREPARED))
        config.add_cleanup(opened.close)
    sys.executable = os.environ.get(PREPARED, PYTHON)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long tests first: two workers then end at the same time, with short ones."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.fixture(autouse=True)
def same_numbers() -> None:
    """What a test draws does not hang on which tests came before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def how_processes_start(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests of how processes start, and of signals to them, have Python itself."""
    if request.node.get_closest_marker("real_start"):
        monkeypatch.setattr(sys, "executable", PYTHON)


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
