"""Style, types and rules: each tool's own verdict."""

import os
import subprocess
import sys

import pytest

from tests.shared.workspace import ROOT


@pytest.mark.parametrize(
    "command",
    [
        "ruff check",
        "ruff format --check --diff",
        "mypy",
        "snakefmt --check --diff Snakefile rules",
        "snakemake --lint",
    ],
)
def test_tool_finds_nothing(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command.split()],
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
