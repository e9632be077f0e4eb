"""The state of a chain of trainings that is not finished: saved now and then and on SIGTERM, so that it can go on.

A training may take an hour and be pre-empted at any moment. On the CPU one that goes on from its state gives, bit for
bit, what it would have given uninterrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import torch

#: Seconds between two saves.
SAVE_EVERY = 120.0


class SavedState:
    """One chain's state on disk; without a folder nothing is saved.

    Args:
        folder: where states lie.
        name: of the chain; the same whenever the same trainings are asked for.
        device: a state is gone on with only on the kind of device, and under the torch, that it was made with.
    """

    def __init__(self, folder: Path | None, name: str, device: torch.device) -> None:
        self._path = folder / f"{name}.pt" if folder is not None else None
        self._made_with = {"torch": str(torch.__version__), "device": device.type}
        self._saved_at = time.monotonic()
        self._told_to_end = False

    def due(self) -> bool:
        """Whether it is time to save, or the process has been told to end."""
        return self._path is not None and (self._told_to_end or time.monotonic() - self._saved_at > SAVE_EVERY)

    def save(self, state: dict[str, Any]) -> None:
        """Write a state of tensors, numbers and strings, whole or not at all; then end, if the process was told to.

        A state that cannot be written (the disk is full) is said so and does not stop the training.
        """
        self._saved_at = time.monotonic()
        if self._path is not None:
            try:
                self._write(self._path, {**state, "made_with": self._made_with})
            except (OSError, RuntimeError) as error:
                print(f"warning: the state {self._path} cannot be saved: {error}; training goes on", file=sys.stderr)
        self.end_if_told()

    def end_if_told(self) -> None:
        """End the process with status 143, if it was told to end."""
        if self._told_to_end:
            print(
                "told to end (SIGTERM): what is done is saved, run again to go on from there",
                file=sys.stderr,
                flush=True,
            )
            sys.exit(128 + signal.SIGTERM)

    def load(self) -> dict[str, Any] | None:
        """The state to go on from, if there is one that is whole and was made with the same torch and device."""
        if self._path is None:
            return None
        try:
            state = torch.load(self._path, map_location="cpu", weights_only=True)
        except Exception:  # torch raises whatever a damaged file makes it stumble over
            return None
        return state if isinstance(state, dict) and state.get("made_with") == self._made_with else None

    def forget(self) -> None:
        """Remove the state: the chain is finished. Then end, if the process was told to."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        self.end_if_told()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While it lasts, SIGTERM lets the running update end and the state be saved."""
        if self._path is None or threading.current_thread() is not threading.main_thread():
            yield
            return

        def note(number: int, frame: FrameType | None) -> None:
            self._told_to_end = True

        before = signal.signal(signal.SIGTERM, note)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    @staticmethod
    def _write(path: Path, state: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            try:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
                Path(file.name).replace(path)
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
