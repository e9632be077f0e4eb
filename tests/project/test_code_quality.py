"""Style, types and layers: each tool's own verdict."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

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
        "lint-imports --no-cache",
    ],
)
def test_tool_finds_nothing(command: str) -> None:
    program, *words = command.split()
    done = subprocess.run(
        [Path(sys.executable).parent / program, *words],
        cwd=ROOT,
        env=os.environ | {"NO_COLOR": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"


def test_all_that_the_snakefile_imports_is_held_to_be_light() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (light,) = (contract["source_modules"] for contract in contracts if contract["type"] == "forbidden")
    text = "".join(path.read_text() for path in [ROOT / "Snakefile", *(ROOT / "rules").glob("*.smk")])
    imported = set(re.findall(r"^from (indoubt[\w.]*) import", text, re.MULTILINE))
    assert imported and imported <= set(light)
