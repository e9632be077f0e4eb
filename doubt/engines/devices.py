"""Where trainings run."""

from __future__ import annotations

import torch

from doubt.errors import UserError


def choose_device(wish: str, threads: int = 1) -> torch.device:
    """The device for `auto` (a GPU if there is one), `cpu` or `cuda`; also sets the number of CPU threads.

    Raises:
        UserError: `cuda` was asked for and torch sees none.
    """
    torch.set_num_threads(threads)
    if wish == "cuda" and not torch.cuda.is_available():
        raise UserError("device `cuda` was asked for, but torch sees no GPU; set `device: auto` or `device: cpu`")
    return torch.device("cuda" if wish != "cpu" and torch.cuda.is_available() else "cpu")
