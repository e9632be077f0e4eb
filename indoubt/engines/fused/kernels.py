"""The C code in `native/`, compiled on first use for the machine at hand.

Where there is no C compiler, `there_are` says so once and torch's own operations do the work, more slowly.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from indoubt.engines.fused import signatures
from indoubt.engines.fused.signatures import Argument, Parameter

#: Weights of so many numbers are worth it; for smaller ones torch's operations are as fast.
LARGE = 2**16
#: Numbers by which copied rows lie further apart than they are long: a line of the cache.
SPREAD = 16

NATIVE = Path(__file__).parent / "native"
TYPES = {torch.float32: "float", torch.float64: "double"}
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-fPIC", "-shared")


def there_are(weights: Tensor) -> bool:
    """Whether there are kernels for weights like these: on the CPU."""
    return weights.device.type == "cpu" and weights.dtype in TYPES and _library(weights.dtype) is not None


def serve(weights: Tensor) -> bool:
    """Whether kernels' products are worth it for weights (models, ...) like these: on the CPU, and large."""
    return weights[0].numel() >= LARGE and there_are(weights)


def bound(dtype: torch.dtype, name: str, *arguments: Argument) -> Callable[[], None]:
    """A kernel with its arguments: tensors, which stay where they are, sizes, numbers; None is an array not given.

    Raises:
        TypeError: an argument is not what the C code declares.
    """
    library = _library(dtype)
    assert library is not None, "ask `there_are` first"
    return signatures.bound(getattr(library, name), _signatures(dtype)[name], arguments)


@cache
def _signatures(dtype: torch.dtype) -> dict[str, list[Parameter]]:
    return signatures.signatures(NATIVE, dtype)


def bound_product(x: Tensor, w: Tensor, out: Tensor, bias: Tensor | None = None) -> Callable[[], None]:
    """Computes `out = x w + bias` for one model each time it is called.

    Args:
        x, out: (rows, in) and (rows, out), each row contiguous.
        w: (in, out), contiguous or the transpose of a contiguous matrix.
        bias: (out), only where `w` is such a transpose.
    """
    source, target = (x, x.stride(0), w), (out, out.stride(0), x.size(0))
    if w.stride(0) == 1:
        transpose = x, x.stride(0), w.mT
        return bound(x.dtype, "multiply_transposed", *transpose, bias, *target, w.size(1), w.size(0))
    assert bias is None
    return bound(x.dtype, "multiply", *source, *target, w.size(0), w.size(1))


def transposed(x: Tensor) -> Tensor:
    """A copy of the transpose of a matrix whose rows are contiguous: (rows, columns) -> (columns, rows)."""
    out = x.new_empty(x.size(1), x.size(0))
    bound(x.dtype, "transpose_matrix", x, x.stride(0), out, out.stride(0), *x.shape)()
    return out


def adam_of_product(
    left: Tensor,
    right: Tensor,
    along: Tensor | None,
    state: tuple[Tensor, Tensor, Tensor],
    factor: float,
    step_size: float,
    betas: tuple[float, float],
    eps: float,
    backwards: bool,
) -> None:
    """Adam's step of one model's weight along `factor (left^T right - along weight)`.

    Going through a weight from its last row to its first gives the same numbers; see `Adam` for what it is good for.

    Args:
        left, right: (rows, out) and (rows, in).
        along: (in), or None.
        state: the weight and its two moments, each (out, in) and contiguous; changed in place.
    """
    rows, inputs = right.shape
    # rows a power of two apart would compete for the same places in the cache
    right, left = F.pad(right, (0, SPREAD)), transposed(left)
    along = None if along is None else along.contiguous()
    given = left, right, right.stride(0), along, *state
    numbers = factor, step_size, *betas, eps, int(backwards)
    bound(right.dtype, "adam_of_product", *given, rows, left.size(0), inputs, *numbers)()


def squared_columns(w: Tensor) -> Tensor:
    """The sum of squares of each column of a contiguous (out, in): shape (in,)."""
    squares = w.new_empty(w.size(1))
    bound(w.dtype, "squared_columns", w, squares, w.size(0), w.size(1))()
    return squares


@cache
def _library(dtype: torch.dtype) -> ctypes.CDLL | None:
    """The compiled kernels for numbers of one type; None, with a notice, where they cannot be compiled."""
    command = [_compiler(), *FLAGS, f"-DREAL={TYPES[dtype]}"]
    try:
        path = _folder() / f"kernels-{_identity(command)}.so"
        if not path.exists():
            _compile([*command, *map(str, sorted(NATIVE.glob("*.c"))), "-lm"], path)
        library = ctypes.CDLL(str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", None) or error
        print(
            f"notice: {NATIVE} cannot be compiled, so trainings take longer: {reason}; "
            "install a C compiler, or name one in the environment variable CC",
            file=sys.stderr,
        )
        return None
    for name, parameters in _signatures(dtype).items():
        function = getattr(library, name)
        function.argtypes, function.restype = [parameter.type for parameter in parameters], None
    return library


def _compiler() -> str:
    """`$CC`, or the compiler that Python was made with if it is there, or `cc`."""
    of_python = shlex.split(str(sysconfig.get_config_var("CC") or "cc"))[0]
    return os.environ.get("CC") or (of_python if shutil.which(of_python) else "cc")


def _compile(command: list[str], path: Path) -> None:
    """Compile into a file that is there as a whole or not at all, whoever else compiles it at the same time."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        unfinished = Path(folder) / path.name
        subprocess.run([*command, "-o", str(unfinished)], check=True, capture_output=True, text=True)
        unfinished.replace(path)


@cache
def _folder() -> Path:
    """Where compiled kernels are kept: the user's cache, or, where that cannot be written, until this process ends."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "doubt"
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    if os.access(folder, os.W_OK | os.X_OK):
        return folder
    own = Path(tempfile.mkdtemp(prefix="doubt-"))
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return own


def _identity(command: list[str]) -> str:
    """Names what a compilation depends on: source, command and processor, since a cluster's nodes share the cache.

    Not where the source lies: copies of the project, such as tests make, compile it once.
    """
    processor = platform.machine() + platform.processor()
    description = Path("/proc/cpuinfo")
    if description.exists():
        lines = description.read_text(encoding="utf-8", errors="replace").splitlines()
        processor += "".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    sources = [text for path in sorted(NATIVE.iterdir()) for text in (path.name, path.read_text(encoding="utf-8"))]
    return hashlib.sha256("\0".join([*sources, *command, processor]).encode()).hexdigest()[:16]
