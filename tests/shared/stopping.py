"""Trainings that are killed at a moment of one's choice, having saved where they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from indoubt.engines.fused import lockstep as fused_lockstep
from indoubt.engines.saved_states import SavedState, SavedStates


class Stopped(Exception):
    """In place of a kill."""


def stop_at_save(chance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an engine save at its `chance`th chance to, one an update, and end there."""
    chances, save = 0, SavedStates.save

    def due(self: object) -> bool:
        nonlocal chances
        chances += 1
        return chances == chance

    def save_and_stop(self: SavedStates, saved: SavedState) -> Path | None:
        path = save(self, saved)
        if chances >= chance:
            raise Stopped
        return path

    monkeypatch.setattr(fused_lockstep, "CALL_SECONDS", 0.0)  # an update a call
    monkeypatch.setattr(SavedStates, "due", due)
    monkeypatch.setattr(SavedStates, "save", save_and_stop)
