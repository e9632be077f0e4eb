"""One file with all that was measured, from which another machine rebuilds tables and figures without training.

A compressed tar: `manifest.json` first (format, checksums, under which code the trainings were done), then
`config.yaml`, the ledger of that code, the tables and their provenance.

Somebody else may have made it, so it is read as data: nothing in it is run, and it takes no more than it may. It is
compressed, so that a small file can hold any number of bytes; its members have names that a careless program would
write to; its configuration can name code. All is checked before anything is written.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import re
import tarfile
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from indoubt.errors import UserError
from indoubt.files import ROOT, write_atomically
from indoubt.learner import InContextLearner
from indoubt.learners.sweeps import expand_learners
from indoubt.workflow.identity import same_numbers
from indoubt.workflow.ledger import parse_record
from indoubt.workflow.plan import Plan

FORMAT = "doubt-archive-1"
#: Members that an archive may have beside `manifest.json`.
MEMBER = re.compile(
    r"config\.yaml"
    r"|ledger/[\w-]+/[\w-]+/[^./\x00-\x1f][^/\x00-\x1f]*\.jsonl?"
    r"|starts/weights/[\w-]+/[0-9a-f]{1,64}\.pt"
    r"|(tables|report)/\w[\w.-]*\.(csv|json|md|tex|yaml|html)"
)
#: Where the weights of starts lie in results, and in an archive that has them.
WEIGHTS_FOLDER = "starts/weights/"
#: Bytes of a part of a path, at most: file systems take 255, and a file that is being written has a longer name.
LONGEST_NAME = 200
#: What an archive may hold: so many bytes for each of the file's, and so many besides. (Ours: 7 to 15 for each.)
RATIO, BESIDES = 100, 64 * 2**20
#: Values that a configuration may hold; YAML's references stand for as many as one likes in a few lines.
MOST_VALUES = 200_000
#: Keys of a learner's definition that name code or weights outside of the repository.
OUTSIDE = ("user_dir", "pretrained")


def read_archive(archive: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, bytes]]:
    """The manifest, the configuration and the other members of an archive, by name, each as its checksum says.

    Raises:
        UserError: it is damaged or no archive of ours, or holds what an archive of ours cannot.
    """
    try:
        members = _members(archive)
        manifest = _manifest(archive, members.pop("manifest.json"))
        _check_sums(archive, manifest, members)
        content = yaml.safe_load(members.pop("config.yaml").decode())
        if not isinstance(content, dict):
            raise ValueError("config.yaml is no mapping")
        _check_extent(content)
        texts = {name: data.decode() for name, data in members.items() if not name.startswith(WEIGHTS_FOLDER)}
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
    return manifest, content, members


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


#: Where the archive's configuration and tables go: not in the way of those that are rebuilt.
UNPACKED = "archived"


def pack(
    content: dict[str, Any], plan: Plan, results: Path, archive: Path, tables: bool = True, weights: bool = False
) -> int:
    """Write an archive of a configuration's results; returns how many files of the ledger it holds.

    Args:
        tables: tables and page are the configuration's (`belonging`), and are packed too.
        weights: the weights of starts are packed too, so that cells that go on from them can be added elsewhere.

    Raises:
        UserError: there is nothing to pack, or the archive cannot be written.
    """
    measured_by = {cell.learner: plan.engine_hash_of(cell) for cell in plan.cells.values()}
    codes = sorted(set(measured_by.values()))
    members = {
        f"ledger/{code}/{path.parent.name}/{path.name}": path.read_bytes()
        for code in codes
        for counts_as_it in same_numbers(code)  # which a version that has forgotten it could not know
        for path in sorted((results / "ledger" / counts_as_it).glob("*/*.json*"))
        if is_ours(f"ledger/{code}/{path.parent.name}/{path.name}")  # not what a kill has left half written
    }
    if not members:
        raise UserError(f"{results / 'ledger'} has no trainings of this configuration's code; run the workflow first")
    n_ledger = len(members)
    others = sorted(
        path
        for name in (("tables", "report") if tables else ())
        for path in (results / name).glob("*")
        if is_ours(f"{name}/{path.name}")
    )
    members |= {path.relative_to(results).as_posix(): path.read_bytes() for path in others}
    if weights:
        members |= {
            f"{WEIGHTS_FOLDER}{code}/{path.name}": path.read_bytes()
            for code in codes
            for counts_as_it in same_numbers(code)
            for path in sorted((results / WEIGHTS_FOLDER / counts_as_it).glob("*.pt"))
            if is_ours(f"{WEIGHTS_FOLDER}{code}/{path.name}")
        }
    members["config.yaml"] = yaml.safe_dump(content | _models(plan), sort_keys=False).encode()
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    made = int(time.time())
    about = {"format": FORMAT, "codes": codes, "measured_by": measured_by, "made": made, "host": platform.node()}
    manifest = about | {"sha256": sums}
    temporary = archive.with_name(f".{archive.name}.unfinished")
    try:
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(temporary, "w:gz") as tar:
            for name, data in {"manifest.json": json.dumps(manifest, indent=1).encode(), **members}.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.mtime = len(data), made
                tar.addfile(entry, io.BytesIO(data))
        temporary.replace(archive)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise UserError(f"the archive {archive} cannot be written: {error.strerror}") from error
    return n_ledger


def _models(plan: Plan) -> dict[str, dict[str, str]]:
    """What a configuration says of language models that are not in the archive: by folder, what it holds."""
    read = [learner for learner in plan.learners.values() if isinstance(learner, InContextLearner)]
    held = {learner.folder: str(learner.arguments["in_context"]) for learner in read}
    return {"models": plan.config.models | held} if held else {}


def unpack(archive: Path, results: Path, trusted: bool = False) -> tuple[Path, list[str]]:
    """Add an archive's trainings to a ledger. Its report is not unpacked: it is a program, and `rebuild` makes it anew.

    Args:
        trusted: code and weights that its configuration names outside of this repository may be run.

    Returns:
        The configuration that they belong to, and the learners that other code than today's has measured: the
        configuration says so (`measured_by`), and is for rebuilding, not for training more of them.

    Raises:
        UserError: it is damaged, no archive of ours, names code that is not trusted, or does not say what was measured
            by which code; nothing is written then.
    """
    manifest, content, members = read_archive(archive)
    if not trusted:
        check_code(archive, content)
    plan = Plan(content, results / ".cache")
    foreign = set(manifest["codes"]) - _codes(plan)
    if foreign and "measured_by" not in manifest:
        raise UserError(
            f"{archive} is foreign: its trainings were done by other code ({', '.join(sorted(foreign))}) than this, "
            "which would train everything again; use the version of the repository that it was made with"
        )
    by_others = {name: code for name, code in manifest.get("measured_by", {}).items() if code in foreign}
    if by_others:
        content |= {"measured_by": by_others}
        Plan(content, results / ".cache")  # they name folders of the ledger: checked
    added = {name: data for name, data in members.items() if name.startswith(("ledger/", WEIGHTS_FOLDER))}
    for name, data in added.items():
        path = results / name
        if path.suffix != ".json" and path.exists() and path.read_bytes() != data:
            raise UserError(f"{path} is already there and differs from the one in {archive}; move one away")
    targets = {results / name: data for name, data in added.items() if not (results / name).exists()}
    targets |= {results / UNPACKED / name: data for name, data in members.items() if name.startswith("tables/")}
    for path, data in targets.items():
        write_atomically(path, data)
    config = results / UNPACKED / "config.yaml"
    write_atomically(config, yaml.safe_dump(content, sort_keys=False))
    return config, sorted(by_others)


def _codes(plan: Plan) -> set[str]:
    """The engine code whose trainings a plan takes."""
    return {code for cell in plan.cells.values() for code in same_numbers(plan.engine_hash_of(cell))}
