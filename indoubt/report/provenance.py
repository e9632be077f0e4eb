"""How the results were made: versions, revision, hardware, configuration."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from indoubt.errors import UserError
from indoubt.files import INSTALLED, ROOT

DISTRIBUTION = "in-doubt"
PACKAGES = ("torch", "fairseq", "numpy", "scipy", "statsmodels", "pandas", "matplotlib", "snakemake")


def of_this_machine() -> dict[str, str]:
    """What made the report: revision, versions, machine."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "revision of this software": revision(),
        "Python": platform.python_version(),
        **versions,
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}, {os.cpu_count()} cores",
    }


def revision() -> str:
    """The git revision, `(changed)` if files differ from it; of an installed copy its version; or `unknown`."""
    if INSTALLED:  # perhaps below somebody else's repository
        return f"version {metadata.version(DISTRIBUTION)}, installed"
    try:
        options: dict[str, Any] = {"cwd": ROOT, "text": True, "capture_output": True, "check": True, "timeout": 10}
        top = subprocess.run(["git", "rev-parse", "--show-toplevel"], **options).stdout.strip()
        if Path(top).resolve() != ROOT:
            return "unknown"
        head = subprocess.run(["git", "rev-parse", "HEAD"], **options).stdout.strip()
        changed = subprocess.run(["git", "status", "--porcelain", "--untracked-files=no"], **options).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return f"{head} (changed)" if changed else head


def read_provenance(path: Path) -> dict[str, str]:
    """A JSON object that says what made the results, flattened to lines: `a.b` for b in a.

    Raises:
        UserError: it cannot be read or is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read as JSON: {error}; make it again") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} must be a JSON object")
    return dict(_flat(content, ""))


def _flat(content: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            lines += _flat(value, f"{name}.")
        else:
            lines.append((name, ", ".join(map(str, value)) if isinstance(value, list) else str(value)))
    return lines
