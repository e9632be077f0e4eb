"""Trainings that are killed at a moment of one's choice, having saved where they were."""

from __future__ import annotations

from typing import Any

import pytest

from doubt.engines.fused import lockstep as fused_lockstep
from doubt.engines.fused.state import Saver
from doubt.engines.reference.saved_state import SavedState


class Stopped(Exception):
    """In place of a kill."""


def stop_at_save(engine: str, chance: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an engine save at its `chance`th chance to, one an update, and end there."""
    owner: Any = SavedState if engine == "fairseq" else Saver
    chances, save = 0, owner.save

    def due(self: object) -> bool:
        nonlocal chances
        chances += 1
        return chances == chance

    def save_and_stop(self: object, *state: object) -> None:
        save(self, *state)
        if chances >= chance:
            raise Stopped

    monkeypatch.setattr(fused_lockstep, "CALL_SECONDS", 0.0)  # an update a call
    monkeypatch.setattr(owner, "due", due)
    monkeypatch.setattr(owner, "save", save_and_stop)
