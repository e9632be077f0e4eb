"""Files of a configuration, as a command line names them, read so that they say what they seem to.

No key stands twice, of which readers keep the last, and nothing is run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from indoubt.errors import UserError, nearest
from indoubt.files import ROOT
from indoubt.workflow.plan import Plan

MERGE = "tag:yaml.org,2002:merge"
#: The key that makes a file of YAML a template, whose expressions Snakemake evaluates as Python.
TEMPLATE = "__use_yte__"


def load(text: str, where: str) -> Any:
    """What a text of YAML holds; what a merge (`<<`) brings along may be overridden.

    Args:
        where: what a message calls the text.

    Raises:
        UserError: it is no YAML, or a key stands twice in one mapping: which, and in which lines; or it is a template.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check(loader, node, where)
        found = loader.construct_document(node)
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: a date or number that there is not
        raise UserError(f"the configuration {where} is no YAML: {error or type(error).__name__}") from None
    finally:
        loader.dispose()
    if isinstance(found, dict) and TEMPLATE in found:
        raise UserError(
            f"{where} is a template ({TEMPLATE}), which runs code; write out what it gives, without this key"
        )
    return found


def check_unique(text: str, where: str) -> None:
    """Refuse a configuration, in YAML or JSON, in which a key stands twice, or that is a template.

    Raises:
        UserError: as `load` does.
    """
    try:
        json.loads(text, object_pairs_hook=lambda pairs: unique(pairs, where))
    except (ValueError, RecursionError):
        load(text, where)


def unique(pairs: Sequence[tuple[str, Any]], where: str) -> dict[str, Any]:
    """A JSON object's pairs as a mapping.

    Raises:
        UserError: a key stands twice.
    """
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise UserError(f"{where}: the key {key!r} stands twice; the first would be lost: rename one or drop it")
        found[key] = value
    return found


def _check(loader: yaml.SafeLoader, root: yaml.Node, where: str) -> None:
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # it is referred to
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            waiting += [part for pair in node.value for part in pair]
            _check_mapping(loader, node, where)


def _check_mapping(loader: yaml.SafeLoader, node: yaml.MappingNode, where: str) -> None:
    lines: dict[Any, int] = {}
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        name = key.value if key.tag == MERGE else loader.construct_object(key)
        line = key.start_mark.line + 1
        if name in lines:
            raise UserError(
                f"{where}, line {line}: the key {key.value!r} stands twice, in line {lines[name]} too; the first would "
                "be lost: rename one or leave it out"
            )
        lines[name] = line


def add_config_options(parser: argparse.ArgumentParser) -> None:
    """Which configuration: presets by name, and options of the same names and effect as Snakemake's."""
    preset = parser.add_argument(
        "--preset", nargs="+", default=[], metavar="NAME", help="configurations that ship with it, such as paper"
    )
    preset.completer = lambda **_: list(presets())  # type: ignore[attr-defined]  # argcomplete asks for it
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
