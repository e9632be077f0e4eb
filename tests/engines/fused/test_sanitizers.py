"""The C code under AddressSanitizer and UBSan: its own tests, in a process in which a bad access or shift ends it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared.workspace import ROOT

#: Tests in which C code of each kind is called with sizes of many kinds, and what is left out of them: what compiles in
#: processes of its own or for other processors, and models in their real size, which take long here.
TESTS = ("test_kernels.py", "test_transformers_in_c.py", "test_equality.py::test_large_weights_of_a_single_model")
WITHOUT = "not compiler and not processes and not cache and not stale and not other_builds and not real_size"
#: With -O1, since -O3 takes a minute and more to compile with them.
SANITIZE = "-O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g"


def runtime(name: str) -> Path | None:
    """A sanitizer's library, if gcc has it."""
    gcc = shutil.which("gcc")
    if gcc is None or sys.platform != "linux":
        return None
    said = subprocess.run([gcc, f"-print-file-name={name}"], capture_output=True, text=True, check=True)
    return Path(said.stdout.strip()) if Path(said.stdout.strip()).is_absolute() else None


def sanitized(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the C code compiled by gcc with both sanitizers."""
    libraries = [str(runtime(name)) for name in ("libasan.so", "libubsan.so")]
    compiler = folder / "cc"
    compiler.write_text(f'#!/bin/sh\nunset LD_PRELOAD\nexec gcc "$@" {SANITIZE}\n')
    compiler.chmod(0o755)
    environment = os.environ | {"CC": str(compiler), "XDG_CACHE_HOME": str(folder), "LD_PRELOAD": " ".join(libraries)}
    # Python and torch keep memory until they end, and throw it away by means of their own
    environment |= {"ASAN_OPTIONS": "detect_leaks=0:alloc_dealloc_mismatch=0", "PYTHONMALLOC": "malloc"}
    environment["UBSAN_OPTIONS"] = "print_stacktrace=1"
    return subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        not all(runtime(name) for name in ("libasan.so", "libubsan.so")), reason="gcc has no sanitizers here"
    ),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the compiled code is kept, so that it is compiled once."""
    return tmp_path_factory.mktemp("sanitized")


@pytest.mark.parametrize("tests", TESTS)
def test_the_c_code_reads_and_writes_its_own_memory_alone(tests: str, folder: Path) -> None:
    file = str(Path(__file__).parent / tests)
    words = "-q", "-x", "-s", "-p", "no:cacheprovider"  # -s: what ends the process would not be shown otherwise
    done = sanitized(folder, "-m", "pytest", *words, "-k", WITHOUT, file)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    assert "runtime error" not in done.stderr and " passed" in done.stdout and "skipped" not in done.stdout


def test_a_bad_access_is_found(folder: Path) -> None:
    """So that the test above can fail: a sequence that is said to be longer than it is."""
    program = (
        "import torch; from indoubt.engines.fused import kernels; x = torch.ones(3, 2); n = torch.tensor([5]);"
        "kernels.bound(x.dtype, 'windows', x, n, torch.empty(5, 3, 2), 1, 2, 3, 1)()"
    )
    done = sanitized(folder, "-c", program)
    assert done.returncode != 0 and "heap-buffer-overflow" in done.stderr
