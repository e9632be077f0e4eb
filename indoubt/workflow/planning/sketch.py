"""What a tensor holds, as text: every bit, or so much of real numbers that other processors' rounding does not show."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

#: The fractional part of the golden ratio: its multiples weigh the places of a tensor, each in its own way.
GOLDEN = 0.6180339887498949
#: Steps to which a mean is rounded, in parts of the size of a tensor's numbers.
STEPS = 512


def bits(tensor: Tensor) -> str:
    """A tensor by its type, shape and every bit."""
    x = tensor.detach().cpu()
    x = (x.to_dense() if x.layout != torch.strided else x).resolve_conj().resolve_neg().contiguous()
    data = x.reshape(-1).view(torch.uint8).numpy().tobytes()
    return f"{x.dtype} {tuple(x.shape)} {hashlib.sha256(data).hexdigest()}"


def sketch(tensor: Tensor) -> str:
    """A tensor by its type and shape, and of real numbers their size and two weighted means, to three digits.

    Rounding of another processor's changes a digit of one tensor in about 5,000; other initial weights change them all.
    """
    x = tensor.detach().cpu()
    if not (x.is_floating_point() or x.is_complex()):
        return bits(x)
    about = f"{x.dtype} {tuple(x.shape)}"
    x = x.to_dense() if x.layout != torch.strided else x
    x = (torch.view_as_real(x.resolve_conj()) if x.is_complex() else x).double().flatten()
    size = float(x.square().mean().sqrt()) if x.numel() else 0.0
    if not 0.0 < size < float("inf"):
        return f"{about} {size}"
    weights = (torch.arange(x.numel(), dtype=torch.float64) * GOLDEN).frac() * 2 - 1
    means = float(x.mean()) / size, float((x * weights).sum()) / size / x.numel() ** 0.5
    return f"{about} {size:.3g} {' '.join(str(round(STEPS * mean)) for mean in means)}"
