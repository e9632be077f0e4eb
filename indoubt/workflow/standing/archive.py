"""One file with all that was measured, from which another machine rebuilds tables and figures without training.

A compressed tar: `manifest.json` first (format, checksums, under which code the trainings were done), then
`config.yaml`, the ledger of that code, the tables and their provenance.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
import time
from pathlib import Path
from typing import Any

import yaml

from indoubt.errors import UserError
from indoubt.files import write_atomically
from indoubt.workflow.planning.identity import same_numbers
from indoubt.workflow.planning.plan import Plan
from indoubt.workflow.standing.received import FORMAT, check_code, is_ours, read_archive

#: Where the archive's configuration and tables go: not in the way of those that are rebuilt.
UNPACKED = "archived"


def pack(content: dict[str, Any], plan: Plan, results: Path, archive: Path, tables: bool = True) -> int:
    """Write an archive of a configuration's results; returns how many files of the ledger it holds.

    Args:
        tables: tables and page are the configuration's (`belonging`), and are packed too.

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
    members["config.yaml"] = yaml.safe_dump(content).encode()
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
    manifest, content, texts = read_archive(archive)
    if not trusted:
        check_code(archive, content)
    plan = Plan(content, results / ".cache")
    foreign = set(manifest["codes"]) - _codes(plan)
    if foreign and "measured_by" not in manifest:
        raise UserError(
            f"{archive} is foreign: its trainings were done by other code ({', '.join(sorted(foreign))}) than this, "
            "which would train everything anew; use the version of the repository that it was made with"
        )
    by_others = {name: code for name, code in manifest.get("measured_by", {}).items() if code in foreign}
    if by_others:
        content |= {"measured_by": by_others}
        Plan(content, results / ".cache")  # they name folders of the ledger: checked
    targets = {
        results / name if name.startswith("ledger/") else results / UNPACKED / name: text
        for name, text in texts.items()
        if not name.startswith("report/")
    }
    for path, text in targets.items():
        if path.suffix == ".jsonl" and path.exists() and path.read_bytes() != text.encode():
            raise UserError(f"{path} is already there and differs from the one in {archive}; move one away")
    for path, text in targets.items():
        if path.parts[-4:-3] != ("ledger",) or not path.exists():
            write_atomically(path, text)
    config = results / UNPACKED / "config.yaml"
    write_atomically(config, yaml.safe_dump(content))
    return config, sorted(by_others)


def _codes(plan: Plan) -> set[str]:
    """The engine code whose trainings a plan takes."""
    return {code for cell in plan.cells.values() for code in same_numbers(plan.engine_hash_of(cell))}
