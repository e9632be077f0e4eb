"""An archive that somebody else may have made, read as data: nothing in it is run, and it takes no more than it may.

An archive is compressed, so that a small file can hold any number of bytes; its members have names that a careless
program would write to; its configuration can name code. All is checked before anything is written.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from indoubt.errors import UserError
from indoubt.files import ROOT
from indoubt.learners.sweeps import expand_learners
from indoubt.workflow.running.ledger import parse_record

FORMAT = "doubt-archive-1"
#: Members that an archive may have beside `manifest.json`.
MEMBER = re.compile(
    r"config\.yaml"
    r"|ledger/[\w-]+/[\w-]+/[^./\x00-\x1f][^/\x00-\x1f]*\.jsonl?"
    r"|(tables|report)/\w[\w.-]*\.(csv|json|md|tex|yaml|html)"
)
#: Bytes of a part of a path, at most: file systems take 255, and a file that is being written has a longer name.
LONGEST_NAME = 200
#: What an archive may hold: so many bytes for each of the file's, and so many besides. (Ours: 7 to 15 for each.)
RATIO, BESIDES = 100, 64 * 2**20
#: Values that a configuration may hold; YAML's references stand for as many as one likes in a few lines.
MOST_VALUES = 200_000
#: Keys of a learner's definition that name code or weights outside of the repository.
OUTSIDE = ("user_dir", "pretrained")


def read_archive(archive: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    """The manifest, the configuration and the other members of an archive, by name, each as its checksum says.

    Raises:
        UserError: it is damaged or no archive of ours, or holds what an archive of ours cannot.
    """
    try:
        members = _members(archive)
        manifest = _manifest(archive, members.pop("manifest.json"))
        _check_sums(archive, manifest, members)
        texts = {name: data.decode() for name, data in members.items()}
        content = yaml.safe_load(texts.pop("config.yaml"))
        if not isinstance(content, dict):
            raise ValueError("config.yaml is no mapping")
        _check_extent(content)
        for name, text in texts.items():
            if name.startswith("ledger/"):
                _check_ledger(archive, name, text)
    except FileNotFoundError:
        raise UserError(f"there is no archive {archive}") from None
    except (OSError, EOFError, tarfile.TarError, zlib.error, KeyError, ValueError, TypeError, RecursionError) as error:
        raise UserError(
            f"{archive} is damaged, or no archive of doubt ({type(error).__name__}); get it again"
        ) from None
    except yaml.YAMLError:
        raise UserError(f"{archive} is damaged: its config.yaml is no YAML; get the archive again") from None
    return manifest, content, texts


def check_code(archive: Path, content: Mapping[str, Any]) -> None:
    """Refuse a configuration that names code, or weights, that are not this repository's.

    Raises:
        UserError: what it names, and what to do about it.
    """
    named = [f"{key}: {content[key]}" for key in ("task_folder", "learner_folder") if content.get(key) is not None]
    for name, definition in (expand_learners(content).content.get("learners") or {}).items():
        if not isinstance(definition, dict):
            continue  # the plan says so
        given = {str(key).replace("-", "_"): value for key, value in definition.items()}
        named += [f"learner {name}: {key}: {given[key]}" for key in OUTSIDE if given.get(key) is not None]
        if "module" in given and not _is_built_in(str(given["module"])):
            named.append(f"learner {name}: module: {given['module']}")
    if named:
        raise UserError(
            f"the configuration of {archive} names code or weights that are not this repository's, which rebuilding "
            f"would run from this machine: {'; '.join(named[:3])}{' ...' if len(named) > 3 else ''}. If these are "
            "files that you know, run this again with --trust"
        )


def _is_built_in(module: str) -> bool:
    """Whether a definition's `module` is a file of the repository's own learners."""
    path = module.partition(":")[0]
    folder = ROOT / "learners"
    if path.endswith(".py"):
        return Path(path).resolve().parent == folder and Path(path).is_file()
    return path in {file.stem for file in folder.glob("*.py")}


class _Bounded:
    """A stream that ends in an error where it gives more bytes than it may."""

    def __init__(self, archive: Path, stream: gzip.GzipFile, most: int) -> None:
        self._archive, self._stream, self._left = archive, stream, most

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise UserError(
                f"{self._archive} is no archive of doubt: it unpacks to more than {RATIO} times its size and "
                f"{BESIDES >> 20} MB"
            )
        return data


def _members(archive: Path) -> dict[str, bytes]:
    """What the archive holds, `manifest.json` first, which says what else there may be."""
    found: dict[str, bytes] = {}
    allowed = {"manifest.json"}
    most = RATIO * archive.stat().st_size + BESIDES
    packed = gzip.GzipFile(archive)
    bounded: Any = _Bounded(archive, packed, most)  # of a file it has what a stream needs
    with packed, tarfile.open(fileobj=bounded, mode="r|") as tar:
        for about in tar:
            file = tar.extractfile(about) if about.isreg() and not about.issparse() else None
            if file is None or about.name not in allowed or about.name in found:
                raise UserError(f"{archive} is no archive of doubt: it holds {about.name[:LONGEST_NAME]!r}")
            found[about.name] = file.read()
            if about.name == "manifest.json":
                allowed |= {name for name in _manifest(archive, found[about.name])["sha256"] if is_ours(name)}
    return found


def is_ours(name: str) -> bool:
    """Whether a member's name is one that an archive of ours has: none climbs, none is hidden."""
    parts = name.split("/")
    return MEMBER.fullmatch(name) is not None and all(len(part.encode()) <= LONGEST_NAME for part in parts)


def _manifest(archive: Path, data: bytes) -> dict[str, Any]:
    manifest = json.loads(data)
    if manifest["format"] != FORMAT:
        raise UserError(f"{archive} is of another format than {FORMAT}; use the version that it was made with")
    texts = dict(manifest["sha256"]), dict(manifest.get("measured_by", {}))
    if not all(_is_text(each.items()) for each in texts) or not _is_text([list(manifest["codes"])]):
        raise ValueError("the manifest holds what is no text")
    return dict(manifest)


def _is_text(rows: Any) -> bool:
    return all(isinstance(each, str) for row in rows for each in row)


def _check_sums(archive: Path, manifest: Mapping[str, Any], members: Mapping[str, bytes]) -> None:
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    stated = manifest["sha256"]
    wrong = sorted(name for name in sums.keys() | stated.keys() if sums.get(name) != stated.get(name))
    if wrong:
        raise UserError(
            f"{archive} is damaged: {wrong[0]} is not what it was when it was packed; get the archive again"
        )


def _check_extent(content: Any) -> None:
    """Refuse a configuration that stands for more values than anybody writes, without writing them out."""
    waiting, seen = [content], 0
    while waiting:
        value = waiting.pop()
        seen += 1
        if seen > MOST_VALUES:
            raise ValueError("config.yaml stands for too many values")
        waiting += [*value.keys(), *value.values()] if isinstance(value, dict) else []
        waiting += value if isinstance(value, list) else []


def _check_ledger(archive: Path, name: str, text: str) -> None:
    """Refuse lines that are whole and no records of trainings; one that was cut off is dropped when it is read."""
    if name.endswith(".json"):
        if not isinstance(json.loads(text), dict):
            raise ValueError(f"{name} is no object")
        return
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            whole = bool(line) and json.loads(line) is not None
        except ValueError:
            continue
        if whole and parse_record(line.encode()) is None:
            raise UserError(f"{archive} is no archive of doubt: line {number} of {name} is no record of a training")
