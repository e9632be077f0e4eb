"""A device that fails in one lockstep: the others go on, and the end says what was not done."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from indoubt.errors import UserError, said
from indoubt.training import Training

#: How the messages of a GPU's libraries begin, which torch raises as plain `RuntimeError`.
LIBRARIES = ("CUDA", "cuBLAS", "CUBLAS", "cuDNN", "CUDNN", "cuSOLVER", "NVRTC", "nvrtc")

AGAIN = "what else was trained is kept. Run again: what was not done goes on from where it was last saved"


def of_device(error: RuntimeError) -> bool:
    """Whether an error says that a device failed, not that the code is wrong."""
    return isinstance(error, torch.AcceleratorError | torch.OutOfMemoryError) or str(error).startswith(LIBRARIES)


def computes(device: torch.device) -> bool:
    """Whether a device still computes: after some errors nothing more can be had from it in this process."""
    try:
        return bool(torch.ones(1, device=device).item())
    except torch.OutOfMemoryError:
        return True
    except RuntimeError:
        return False


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
        self._too_large |= isinstance(error, torch.OutOfMemoryError)
        if not computes(device):
            raise UserError(f"the device failed ({self._said}) and computes no more; {AGAIN}")

    def tell(self) -> None:
        """Say what was not done, if anything.

        Raises:
            UserError: some lockstep failed.
        """
        if self._trainings:
            seeds = ", ".join(map(str, sorted({training.seed for training in self._trainings})))
            hint = "; what does not fit alone needs another device, such as `device: cpu`" if self._too_large else ""
            raise UserError(
                f"the device failed ({self._said}), so {len(self._trainings)} trainings were not done (seeds {seeds}); "
                f"{AGAIN}{hint}"
            )

    @property
    def _said(self) -> str:
        """Each error's words once."""
        return "; ".join(dict.fromkeys(self._how))
