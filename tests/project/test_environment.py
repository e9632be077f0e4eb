"""The environment: what envs/ locks, and what `make env` says where it cannot work."""

import os
import re
import shutil
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts import lock_environment
from tests.shared.prepared import PYTHON

ENVS = lock_environment.ENVS
CONSTRAINTS = lock_environment.CONSTRAINTS.read_text()
REQUIREMENT_FILES = [ENVS / "requirements.txt", ENVS / "requirements-dev.txt"]

#: The programs that envs/create.sh and its compiler check call, Python and compiler aside.
TOOLS = ["sh", "dirname", "make", "test", "touch"]


def pinned(text: str) -> dict[str, str]:
    """Package names and versions of pins; fails for whatever is not one public version, such as a file."""
    versions: dict[str, str] = {}
    for line in lock_environment.pins(text):
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        assert requirement.url is None, f"{line} names a file or an address"
        assert specifier.operator == "==", f"{line} is not pinned"
        assert Version(specifier.version).local is None, f"{line}: nobody else has this local build"
        name = canonicalize_name(requirement.name)
        assert name not in versions, f"{name} is locked twice"
        versions[name] = specifier.version
    return versions


@pytest.mark.parametrize(
    "line",
    ["torch==2.13.0+cpu", "torch @ file:///wheels/torch.whl", "torch", "torch>=2.13", "/wheels/torch.whl", "-e ."],
)
def test_what_is_no_public_version_is_refused(line: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        pinned(line)


def test_lock_holds_every_requirement_at_its_version() -> None:
    locked = pinned(CONSTRAINTS)
    for file in REQUIREMENT_FILES:
        required = pinned(file.read_text())
        assert {name: locked.get(name) for name in required} == required, f"{file}: run scripts/lock_environment.py"


def test_lock_is_complete() -> None:
    """All that the requirements pull in is locked, and this environment has it at the locked version."""
    locked = pinned(CONSTRAINTS)
    waiting = [name for file in REQUIREMENT_FILES for name in pinned(file.read_text())]
    seen: set[str] = set()
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in seen:
            continue
        seen.add(name)
        distribution = metadata.distribution(name)
        assert locked.get(name) == Version(distribution.version).public, f"{name}: run scripts/lock_environment.py"
        requirements = map(Requirement, distribution.requires or [])
        waiting.extend(r.name for r in requirements if r.marker is None or r.marker.evaluate({"extra": ""}))
    subprocess.run([sys.executable, "-m", "pip", "check"], check=True)


@pytest.mark.parametrize("file", REQUIREMENT_FILES, ids=lambda file: file.name)
def test_each_requirement_has_a_reason(file: Path) -> None:
    for line in file.read_text().splitlines():
        assert re.search(r"# \w.{5,}", line), f"{file.name}: why is {line!r} needed?"


def test_conda_file_is_made_from_the_lock() -> None:
    expected = lock_environment.conda_environment(CONSTRAINTS)
    assert lock_environment.CONDA.read_text() == expected, "run scripts/lock_environment.py"


def test_make_env_allows_the_pythons_of_the_project() -> None:
    script = (ENVS / "create.sh").read_text()
    allowed = SpecifierSet(lock_environment.allowed_python())
    for minor in range(8, 20):
        assert (f"3.{minor}.*" in script) == allowed.contains(f"3.{minor}.0")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What `make env` reads, in a folder whose name has a space."""
    folder = tmp_path / "a clone"
    shutil.copytree(ENVS, folder / "envs")
    shutil.copy(lock_environment.ROOT / "Makefile", folder)
    return folder


def make_env(checkout: Path, programs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """`make env` where PATH holds no more than the tools and `programs`: names and the shell scripts that they are."""
    path = checkout / "bin"
    path.mkdir()
    for tool in TOOLS:
        program = shutil.which(tool)
        assert program is not None
        (path / tool).symlink_to(program)
    for name, script in programs.items():
        (path / name).write_text(f"#!/bin/sh\n{script}\n")
        (path / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name not in {"CXX", "MAKEFLAGS", "MAKELEVEL"}}
    environment["PATH"] = str(path)
    return subprocess.run(
        ["make", "env"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def sentence(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a failed `make env` says, make's own closing line aside."""
    assert done.returncode != 0
    assert done.stdout == ""
    said, closing = done.stderr.splitlines()
    assert "Error 1" in closing
    assert said.endswith("then run make again")
    return said


THIS_PYTHON = f'exec "{PYTHON}" "$@"'


def python_where(statement: str) -> str:
    """A Python that executes `statement` before what it is told to."""
    return f'[ "$1" = -c ] && exec "{PYTHON}" -c "{statement}; $2"\nexit 1'


@pytest.mark.parametrize("programs", [{}, {"python3": "echo 'no such version' >&2; exit 127"}])
def test_make_env_without_python(checkout: Path, programs: dict[str, str]) -> None:
    said = sentence(make_env(checkout, programs))
    assert "there is no Python on your PATH: install one of them (" in said
    assert "3.11, 3.12 or 3.13" in said


@pytest.mark.parametrize("version", ["2.7.18", "3.10.13", "3.14.0"])
def test_make_env_with_a_python_that_does_not_fit(checkout: Path, version: str) -> None:
    said = sentence(make_env(checkout, {"python3": f"echo {version}"}))
    assert f"there is only Python {version} on your PATH: install one of them (" in said


def test_make_env_without_compiler(checkout: Path) -> None:
    said = sentence(make_env(checkout, {"python3": THIS_PYTHON}))
    assert re.search(r"there is no working C\+\+ compiler '.+' on your PATH: install one \(.*g\+\+", said)


def any_compiler(script: str) -> dict[str, str]:
    return dict.fromkeys(["c++", "g++", "clang++"], script)


def test_make_env_with_a_broken_compiler(checkout: Path) -> None:
    programs = any_compiler("echo 'no developer tools' >&2; exit 1") | {"python3": THIS_PYTHON}
    assert "there is no working C++ compiler" in sentence(make_env(checkout, programs))


def test_make_env_without_headers(checkout: Path) -> None:
    python = python_where("import sysconfig; sysconfig.get_path = lambda name: '/nowhere'")
    said = sentence(make_env(checkout, any_compiler("exit 0") | {"python3": python}))
    assert "lacks its header files: install them (Debian, Ubuntu: apt-get install python3-dev)" in said


def test_make_env_without_the_venv_module(checkout: Path) -> None:
    python = python_where("import sys; sys.modules['ensurepip'] = None")
    said = sentence(make_env(checkout, any_compiler("exit 0") | {"python3": python}))
    assert "lacks its venv module: install it (Debian, Ubuntu: apt-get install python3-venv)" in said


def test_make_env_prefers_a_python_that_fits(checkout: Path) -> None:
    """An old `python3` does no harm where a newer one has a name of its own."""
    said = sentence(make_env(checkout, {"python3": "echo 3.9.1", "python3.12": THIS_PYTHON}))
    assert "compiler" in said


def test_make_env_works_only_where_something_changed(checkout: Path) -> None:
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(PYTHON)
    (checkout / ".venv" / ".installed").touch()

    def up_to_date() -> bool:
        return subprocess.run(["make", "--question", "env"], cwd=checkout, check=False).returncode == 0

    assert up_to_date()
    an_hour_ahead = time.time() + 3600
    os.utime(checkout / "envs" / "constraints.txt", (an_hour_ahead, an_hour_ahead))
    assert not up_to_date()
    os.utime(checkout / ".venv" / ".installed", (an_hour_ahead, an_hour_ahead))
    assert up_to_date()
    python.unlink()
    python.symlink_to(checkout / "a python that is gone")
    assert not up_to_date()
