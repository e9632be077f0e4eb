"""YAML and JSON that say what they seem to: no key stands twice, of which readers keep the last, and nothing is run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import yaml

from indoubt.errors import UserError

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
