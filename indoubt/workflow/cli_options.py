"""The configuration as a command line names it, for the programs that look at a plan without running it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from indoubt.errors import UserError, nearest
from indoubt.files import ROOT
from indoubt.workflow.plan import Plan
from indoubt.workflow.yaml_files import load


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Which configuration: presets by name, and options of the same names and effect as Snakemake's."""
    parser.add_argument(
        "--preset", nargs="+", default=[], metavar="NAME", help="configurations that ship with it, such as paper"
    )
    parser.add_argument(
        "--configfile", "--configfiles", nargs="+", default=[], metavar="FILE", help="your own, each over the last"
    )
    parser.add_argument(
        "--config", "-C", nargs="+", default=[], metavar="KEY=VALUE", help="single keys, over all files"
    )


def add_results_option(parser: argparse.ArgumentParser) -> None:
    """Where the results lie."""
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")


def presets() -> dict[str, Path]:
    """The configurations that ship with the project, by name."""
    return {path.stem: path for path in sorted((ROOT / "presets").glob("*.yaml"))}


def configfiles(given: argparse.Namespace) -> list[str]:
    """The files that a command line names, each over the one before: presets, then others.

    Raises:
        UserError: there is no such preset.
    """
    return [*(_preset(name) for name in given.preset), *given.configfile]


def _preset(name: str) -> str:
    """The file of a preset: one that ships, by name, or any file."""
    known = presets()
    if name in known:
        return str(known[name])
    if Path(name).is_file():
        return name
    raise UserError(f"there is no preset {name!r}{nearest(name, known)}; there are {', '.join(known)}")


def plan_of(files: Sequence[str], pairs: Iterable[str], results: Path) -> Plan:
    """The plan that Snakemake would make.

    Raises:
        UserError: a file cannot be read, or the configuration is wrong.
    """
    return Plan(content_of(files, pairs), results / ".cache")


def content_of(files: Sequence[str], pairs: Iterable[str]) -> dict[str, Any]:
    """The configuration: config.yaml, over it presets (`-`: standard input), over them single keys.

    Raises:
        UserError: a file cannot be read, or is no YAML.
    """
    content: dict[str, Any] = {}
    for path in [str(ROOT / "config.yaml"), *files]:
        try:
            text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"the configuration {path} cannot be read: {error}") from None
        found = load(text, path)
        if not isinstance(found or {}, dict):
            raise UserError(f"the configuration {path} must be a mapping of keys, it is {found!r:.80}")
        content = merged(content, found or {})
    given: set[str] = set()
    for pair in pairs:
        key, _, value = pair.partition("=")
        if key in given:
            raise UserError(f"--config gives {key} twice; give it once")
        given.add(key)
        content = merged(content, {key: load(value, f"--config {pair}")})
    return content


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """One configuration over another, as Snakemake does it: mappings key by key, all else replaced."""
    both = dict(old)
    for key, value in new.items():
        inner = both.get(key)
        both[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return both
