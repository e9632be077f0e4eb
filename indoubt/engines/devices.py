"""Where trainings run."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from indoubt.errors import UserError
from indoubt.training import Result


def device_name(device: torch.device) -> str:
    """`cpu`, or the GPU's name."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def made_by(result: Result, engine: str, device: torch.device) -> Result:
    """The result with the engine, device, torch and machine that gave it."""
    result.engine, result.device = engine, device_name(device)
    result.torch, result.host = str(torch.__version__), platform.node()
    return result


def made_with(device: torch.device) -> dict[str, str]:
    """What a training's numbers depend on beside its definition: a saved one is resumed only where these are equal."""
    return {"torch": str(torch.__version__), "device": device_name(device)}


def elsewhere(path: Path, made: dict[str, str], here: dict[str, str]) -> str:
    """What a message says of a state that was made with another device or torch than there are here."""
    was, now = (f"device {each['device']} with torch {each['torch']}" for each in (made, here))
    return f"the state {path} was saved on {was}, this is {now}"


def choose_device(wish: str, threads: int = 1) -> torch.device:
    """The device for `auto` (a GPU if there is one), `cpu` or `cuda`; also sets the number of CPU threads.

    Raises:
        UserError: `cuda` was asked for and torch sees none.
    """
    torch.set_num_threads(threads)
    if wish == "cuda" and not torch.cuda.is_available():
        raise UserError("device `cuda` was asked for, but torch sees no GPU; set `device: auto` or `device: cpu`")
    return torch.device("cuda" if wish != "cpu" and torch.cuda.is_available() else "cpu")
