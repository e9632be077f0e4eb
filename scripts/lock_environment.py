"""Lock the environment: write envs/constraints.txt and envs/doubt.yaml from envs/requirements*.txt.

The lock holds one public version of every package that the requirements pull in, for Linux and macOS and for every
Python that pyproject.toml allows. Versions that are locked already stay as they are as long as they fit; with
`--upgrade`, the packages that the requirements do not pin move to their newest versions.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
ENVS = ROOT / "envs"
CONSTRAINTS = ENVS / "constraints.txt"
CONDA = ENVS / "doubt.yaml"

GENERATED = "# Written by scripts/lock_environment.py; do not edit.\n"
RUN = "\n# What the workflow runs on\n"
DEV = "\n# What tests and development need in addition\n"


def pins(text: str) -> list[str]:
    """The requirements in the text of a requirements or constraints file, without comments."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def allowed_python() -> str:
    """The Python versions that pyproject.toml allows, such as `>=3.11,<3.14`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return str(project["requires-python"])


def resolve(arguments: list[str]) -> list[str]:
    """What `uv pip compile` makes of requirement files in envs/: a locked package per line."""
    oldest = allowed_python().split(",")[0].removeprefix(">=")
    command = [sys.executable, "-m", "uv", "pip", "compile", "--no-config", "--universal", "--python-version", oldest]
    command += ["--fork-strategy", "fewest", "--no-header", "--no-annotate", *arguments]
    done = subprocess.run(command, cwd=ENVS, text=True, stdout=subprocess.PIPE, check=False)
    if done.returncode:
        sys.exit(
            "error: uv cannot resolve the requirements in envs/ (its reason stands above); change them, then run again"
        )
    return done.stdout.splitlines()


def lock(upgrade: bool) -> str:
    """The text of envs/constraints.txt."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.txt"
        if CONSTRAINTS.exists() and not upgrade:
            shutil.copy(CONSTRAINTS, whole)  # uv keeps the versions that it finds in its output file
        everything = resolve(["requirements.txt", "requirements-dev.txt", "--output-file", str(whole)])
        run = resolve(["requirements.txt", "--constraint", str(whole)])
    names = {line.split("==")[0] for line in run}
    dev = [line for line in everything if line.split("==")[0] not in names]
    return GENERATED + RUN + "\n".join(run) + "\n" + DEV + "\n".join(dev) + "\n"


def conda_environment(constraints: str) -> str:
    """The text of envs/doubt.yaml: a conda environment of the packages that the workflow runs on, as locked."""
    locked = pins(constraints.split(RUN)[1].split(DEV)[0])
    environment = {
        "name": "doubt",
        "channels": ["conda-forge", "nodefaults"],
        "dependencies": [f"python {allowed_python()}", "pip", "cxx-compiler", {"pip": locked}],
    }
    return GENERATED + yaml.safe_dump(environment, sort_keys=False, width=1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upgrade", action="store_true", help="move what is not pinned to its newest version")
    constraints = lock(parser.parse_args().upgrade)
    CONSTRAINTS.write_text(constraints, encoding="utf-8")
    CONDA.write_text(conda_environment(constraints), encoding="utf-8")


if __name__ == "__main__":
    main()
