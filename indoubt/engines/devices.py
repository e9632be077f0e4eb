"""Where trainings run, and a device that fails in one lockstep: the others go on, the end says what was not done."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path

import torch

from indoubt.errors import UserError, said
from indoubt.training import Result, Training


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


#: How the messages of a GPU's libraries begin, which torch raises as plain `RuntimeError`.
LIBRARIES = ("CUDA", "cuBLAS", "CUBLAS", "cuDNN", "CUDNN", "cuSOLVER", "NVRTC", "nvrtc")

AGAIN = "what else was trained is kept. Run again: what was not done resumes from its last saved state"


def of_device(error: RuntimeError) -> bool:
    """Whether an error says that a device failed, not that the code is wrong."""
    return isinstance(error, torch.AcceleratorError) or of_memory(error) or str(error).startswith(LIBRARIES)


def of_memory(error: RuntimeError) -> bool:
    """Whether an error says that a device's memory does not suffice; of a CPU's torch says so by a plain one."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def computes(device: torch.device) -> bool:
    """Whether a device still computes: after some errors nothing more can be had from it in this process."""
    try:
        return bool(torch.ones(1, device=device).item())
    except RuntimeError as error:
        return of_memory(error)


class Failures:
    """The trainings whose locksteps failed, and how."""

    def __init__(self) -> None:
        self._trainings: list[Training] = []
        self._how: list[str] = []
        self._too_large = False

    def add(self, trainings: Sequence[Training], error: RuntimeError, device: torch.device) -> None:
        """Note a failure.

        Raises:
            UserError: the device computes no more.
        """
        self._trainings += trainings
        self._how.append(said(error))
        self._too_large |= of_memory(error)
        if not computes(device):
            raise UserError(f"the device failed ({self._said}) and computes no more; {AGAIN}")

    def tell(self) -> None:
        """Say what was not done, if anything.

        Raises:
            UserError: some lockstep failed.
        """
        if self._trainings:
            seeds = ", ".join(map(str, sorted({training.seed for training in self._trainings})))
            hint = "; what does not fit alone needs more memory, as `device: cpu` may have" if self._too_large else ""
            raise UserError(
                f"the device failed ({self._said}), so {len(self._trainings)} trainings were not done (seeds {seeds}); "
                f"{AGAIN}{hint}"
            )

    @property
    def _said(self) -> str:
        """Each error's words once."""
        return "; ".join(dict.fromkeys(self._how))
