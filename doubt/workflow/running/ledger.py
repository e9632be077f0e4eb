"""The ledger: every finished training, append-only, so that none is done twice.

It lies outside what Snakemake deletes. Each writer appends to a file of its own (nothing is shared, so a network file
system will do), one JSON object a line, synced to disk before the training counts as done. A line that was cut off by a
kill or a full disk is dropped on reading; the same training recorded twice does no harm.

    ledger/{engine and version of its numbers}/{what learners and T have in common}/{host}-{process}-{time}.jsonl
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from doubt.errors import UserError
from doubt.files import write_atomically
from doubt.training import Result, Training, digest
from doubt.workflow.planning.identity import same_numbers

#: A file on each shelf that says in words what lies there.
LABEL = "shelf.json"
_FIELDS = {field.name for field in fields(Result)}


@dataclass(frozen=True)
class Record:
    """One line of the ledger: a result, with what was noted beside it (task, size, learner, seed, block, engine)."""

    result: Result
    note: dict[str, Any]
    time: float


class Ledger:
    """The finished trainings that are filed under one name (`planning.identity`), below a folder.

    Reading is done a shelf at a time (a shelf holds the trainings that share learner, dictionaries and T) and kept;
    records that another process adds later are not seen.
    """

    def __init__(self, folder: Path, code: str) -> None:
        self.folder = folder / code
        self._read = [folder / each for each in same_numbers(code)]
        self._writer = f"{platform.node()}-{os.getpid()}-{time.time_ns()}.jsonl"
        self._shelves: dict[str, dict[str, Result]] = {}

    def find(self, training: Training) -> Result | None:
        """The training's result, if it is there with everything that is asked of it."""
        result = self._shelf(training).get(training.key)
        if result is None or result.status == "diverged":
            return result
        complete = all(score.key in result.nats for score in training.scores)
        complete &= all(request.key in result.outputs for request in training.decodes)
        return result if complete else None

    def has_milestones(self, training: Training) -> bool:
        """Whether all is there that is asked of the training before its end."""
        result = self._shelf(training).get(training.key) or Result(training.key, "ok", 0.0, 0)
        scores = all(score.key in result.nats for score in training.scores if score.at is not None)
        return scores and all(each.key in result.outputs for each in training.decodes if each.at is not None)

    def add(self, training: Training, result: Result, note: dict[str, Any]) -> None:
        """Record a finished training; returns when it is on disk.

        Args:
            note: what a person wants to see beside the record (task, learner, seed, ...).

        Raises:
            UserError: the record cannot be written; nothing half-written is left behind.
        """
        path = self.folder / shelf_of(training) / self._writer
        new = not path.exists()
        line = json.dumps({**asdict(result), "note": note, "time": time.time()}, separators=(",", ":")) + "\n"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if new:
                _write_label(path.parent / LABEL, training)
            with path.open("ab", buffering=0) as file:
                size = file.tell()
                try:
                    _write_all(file.fileno(), line.encode())
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(size)
                    raise
            if new:
                _sync_folder(path.parent)
        except OSError as error:
            raise UserError(
                f"the ledger {path} cannot be written: {error.strerror}; free space or mend the rights and run again "
                "(trainings recorded before are kept)"
            ) from error
        _merge(self._shelf(training), result)

    def _shelf(self, training: Training) -> dict[str, Result]:
        name = shelf_of(training)
        if name not in self._shelves:
            self._shelves[name] = read_shelf(*(folder / name for folder in self._read))
        return self._shelves[name]


def shelf_of(training: Training) -> str:
    """The shelf of a training, by content: its learner, dictionaries and T."""
    content = [vars(training.learner) | {"user_dir": None}, training.source_symbols, training.target_symbols]
    return digest([content, [vars(example) for example in training.blocks[0]]])[:16]


def read_shelf(*folders: Path) -> dict[str, Result]:
    """All results of a shelf by key; what was recorded in parts (scores asked for later) is put together."""
    results: dict[str, Result] = {}
    for folder in folders:
        for record in read_records(folder):
            _merge(results, record.result)
    return results


def read_records(shelf: Path) -> Iterator[Record]:
    """All records of a shelf, as they were written; lines that were cut off are said so and dropped."""
    for path in sorted(shelf.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            record = _parse(line)
            if record is not None:
                yield record
            elif line:
                print(f"ledger: dropped line {number} of {path}: it was cut off; it will be redone", file=sys.stderr)


def read_label(shelf: Path) -> dict[str, Any]:
    """What the trainings of a shelf have in common: `learner`, `source_symbols`, `target_symbols`, `T`; or nothing."""
    try:
        label: dict[str, Any] = json.loads((shelf / LABEL).read_bytes())
    except (OSError, ValueError):
        return {}
    return label


def _write_label(path: Path, training: Training) -> None:
    """Say what lies on a shelf, for people and for `make plan`; nothing else depends on it."""
    if not path.exists():
        examples = [asdict(example) for example in training.blocks[0]]
        label = {"learner": asdict(training.learner), "T": examples}
        label |= {"source_symbols": training.source_symbols, "target_symbols": training.target_symbols}
        write_atomically(path, json.dumps(label, indent=1) + "\n")


def _sync_folder(folder: Path) -> None:
    """Have a new file's name on disk too, not its content alone."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems cannot do it
        pass
    finally:
        os.close(descriptor)


def _parse(line: bytes) -> Record | None:
    try:
        record = json.loads(line)
        result = Result(**{name: value for name, value in record.items() if name in _FIELDS})
        return Record(result, dict(record["note"]), float(record["time"]))
    except (ValueError, TypeError, AttributeError, KeyError):
        return None


def _merge(results: dict[str, Result], new: Result) -> None:
    """Add a result to those known; scores and outputs of the same training that were asked for later are added.

    What was read off a kept checkpoint cost next to nothing: engine, device and seconds are those of the one that took
    longer, which trained.
    """
    old = results.get(new.key)
    if old is None or not old.status == new.status == "ok":
        results[new.key] = new
        return
    trained = max(new, old, key=lambda result: result.seconds)
    results[new.key] = replace(trained, nats=old.nats | new.nats, outputs=old.outputs | new.outputs)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
