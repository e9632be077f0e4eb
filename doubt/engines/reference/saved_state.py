"""The state of a chain of trainings that is not finished: saved now and then and on SIGTERM, so that it can go on.

A training may take an hour and be pre-empted at any moment. On the CPU one that goes on from its state gives, bit for
bit, what it would have given uninterrupted.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any

import torch

from doubt.engines.devices import elsewhere, made_with
from doubt.engines.termination import Termination

#: Seconds between two saves.
SAVE_EVERY = 120.0


class SavedState:
    """One chain's state on disk; without a folder nothing is saved.

    Args:
        folder: where states lie.
        name: of the chain; the same whenever the same trainings are asked for.
        device: a state is resumed only on the device, and under the torch, that it was made with.
    """

    def __init__(self, folder: Path | None, name: str, device: torch.device) -> None:
        self._path = folder / f"{name}.pt" if folder is not None else None
        self._made_with = made_with(device) if folder is not None else {}
        self._saved_at = time.monotonic()
        self._termination = Termination()

    def due(self) -> bool:
        """Whether it is time to save, or the process has been told to end."""
        return self._path is not None and (self._termination.told or time.monotonic() - self._saved_at > SAVE_EVERY)

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
        self._termination.end_if_told()

    def load(self) -> dict[str, Any] | None:
        """The state to go on from, if there is one that is whole and was made with the same torch and device."""
        if self._path is None:
            return None
        try:
            state: dict[str, Any] = torch.load(self._path, map_location="cpu", weights_only=True)
            made = state["made_with"]
        except Exception:  # torch raises whatever a damaged file makes it stumble over
            return None
        if made != self._made_with:
            print(f"notice: {elsewhere(self._path, made, self._made_with)}; training begins anew", file=sys.stderr)
            return None
        return state

    def forget(self) -> None:
        """Remove the state: the chain is finished. Then end, if the process was told to."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
        self._termination.end_if_told()

    def listening(self) -> AbstractContextManager[None]:
        """While it lasts, SIGTERM lets the running update end and the state be saved."""
        return nullcontext() if self._path is None else self._termination.listening()

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
