"""The ledger: every finished training, append-only, so that none is done twice.

It lies outside what Snakemake deletes. Each writer appends to a file of its own (nothing is shared, so a network file
system will do), one JSON object a line, synced to disk before the training counts as done. A line that was cut off by a
kill or a full disk is dropped on reading. The same training recorded twice does no harm: the later record counts, by
the time that stands in it, and `Ledger.results` holds each that differs from the one before in its numbers.

    ledger/{engine and version of its numbers}/{what learners and T have in common}/{host}-{process}-{time}.jsonl
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import os
import platform
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from indoubt.data.literals import one_spelling
from indoubt.engines.registry import OF_PROMPTS
from indoubt.errors import UserError
from indoubt.files import write_atomically
from indoubt.learner import Learner, learner_of_json
from indoubt.training import Result, Training, digest
from indoubt.workflow.identity import same_numbers

#: A file on each shelf that says in words what lies there.
LABEL = "shelf.json"
#: Seconds; a record of less that does not say what it is was read off kept weights.
SHORTEST = 0.005
#: By how much two engines' scores of the same weights may differ, in nats.
ROUNDING = {"rel_tol": 1e-4, "abs_tol": 1e-4}
#: What the note beside a record holds where it was read off kept weights.
FROM_KEPT = "from_kept"
#: What the note beside a start's record holds: the digest of its weights (`engines.weights`).
WEIGHTS = "weights"
#: Texts of a record: nothing that a terminal or a spreadsheet takes for more than text.
PLAIN = re.compile(r"(\w[^\x00-\x1f\x7f-\x9f]*)?")
_FIELDS = {field.name for field in fields(Result)}


@dataclass(frozen=True)
class Record:
    """One line of the ledger: a result, with what was noted beside it (task, size, learner, seed, block, engine)."""

    result: Result
    note: dict[str, Any]
    time: float


#: The records of a shelf, by their trainings' keys.
Shelf = dict[str, list[Record]]


class Ledger:
    """The finished trainings that are filed under one name (`workflow.identity`), below a folder.

    Reading is done a shelf at a time (a shelf holds the trainings that share learner, dictionaries and T) and kept;
    records that another process adds later are not seen.
    """

    def __init__(self, folder: Path, code: str) -> None:
        self.folder = folder / code
        self._read = [folder / each for each in same_numbers(code)]
        self._writer = f"{platform.node()}-{os.getpid()}-{time.time_ns()}.jsonl"
        self._shelves: dict[str, Shelf] = {}
        self._spelled: dict[str, list[Learner]] | None = None
        self._others: dict[int, tuple[Learner, list[Learner]]] = {}

    def find(self, training: Training) -> Result | None:
        """The training's result, if it is there with everything that is asked of it; of several the latest."""
        for result in reversed(self.results(training)):
            if result.has_all(training):
                return result
        return None

    def results(self, training: Training) -> list[Result]:
        """What the training gave, each time that it was done with other numbers than the time before."""
        return in_turn(self.records(training))

    def records(self, training: Training) -> list[Record]:
        """All records of the training, however its learner's numbers are spelled."""
        records = list(self._shelf(training).get(training.key, []))
        for learner in self._otherwise_spelled(training):
            same = replace(training, learner=learner)
            found = self._shelf(same).get(same.key, [])
            records += [replace(each, result=replace(each.result, key=training.key)) for each in found]
        return records

    def has_milestones(self, training: Training) -> bool:
        """Whether all is there that is asked of the training before its end, in the latest of its results."""
        results = self.results(training)
        result = results[-1] if results else Result(training.key, "ok", 0.0, 0)
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
        at = time.time()
        line = json.dumps({**asdict(result), "note": note, "time": at}, separators=(",", ":")) + "\n"
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
        self._shelf(training).setdefault(training.key, []).append(Record(result, note, at))

    def _shelf(self, training: Training) -> Shelf:
        name = shelf_of(training)
        if name not in self._shelves:
            shelf: Shelf = {}
            for folder in self._read:
                for record in read_records(folder / name):
                    shelf.setdefault(record.result.key, []).append(record)
            self._shelves[name] = shelf
        return self._shelves[name]

    def _otherwise_spelled(self, training: Training) -> list[Learner]:
        """The training's learner as other shelves have it: with numbers that are written in another way, 0 as 0.0."""
        learner = training.learner
        if id(learner) not in self._others:  # the same object for all trainings of a cell
            own, others = _text(learner), self._spellings().get(_meaning(learner), [])
            self._others[id(learner)] = learner, [each for each in others if _text(each) != own]
        return self._others[id(learner)][1]

    def _spellings(self) -> dict[str, list[Learner]]:
        """The learners of all shelves by what they mean, each spelling once."""
        if self._spelled is None:
            spellings: dict[str, dict[str, Learner]] = {}
            for path in itertools.chain.from_iterable(sorted(folder.glob(f"*/{LABEL}")) for folder in self._read):
                about = read_label(path.parent).get("learner")
                with contextlib.suppress(UserError):  # of a kind that a later version has
                    learner = learner_of_json(about or {})
                    spellings.setdefault(_meaning(learner), {})[_text(learner)] = learner
            self._spelled = {meaning: list(spelled.values()) for meaning, spelled in spellings.items()}
        return self._spelled


def shelf_of(training: Training) -> str:
    """The shelf of a training, by content: its learner, dictionaries and T."""
    content = [training.learner.shelved, training.source_symbols, training.target_symbols]
    return digest([content, [vars(example) for example in training.blocks[0]]])[:16]


def in_turn(records: Iterable[Record]) -> list[Result]:
    """The records of one training by their times, those put together that agree.

    Where more is asked of a training, it is done again or its kept weights are read: a record of the same numbers adds
    to the one before. A record of other numbers is of another training, and nothing of the two is put together.
    """
    results: list[Result] = []
    for record in sorted(records, key=lambda record: record.time):
        if results and _agree(results[-1], record.result):
            results[-1] = _together(results[-1], record)
        else:
            results.append(record.result)
    return results


def read_records(shelf: Path) -> Iterator[Record]:
    """All records of a shelf, as they were written; lines that were cut off are said so and dropped."""
    for path in sorted(shelf.glob("*.jsonl")):
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            record = parse_record(line)
            if record is not None:
                yield record
            elif line:
                print(f"ledger: dropped line {number} of {path}: it was cut off; it will be redone", file=sys.stderr)


def read_label(shelf: Path) -> dict[str, Any]:
    """What the trainings of a shelf have in common: `learner`, `source_symbols`, `target_symbols`, `T`; or nothing."""
    try:
        label = json.loads((shelf / LABEL).read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    sound = isinstance(label, dict) and isinstance(label.get("learner"), dict)
    return label if sound and isinstance(label["learner"].get("arguments"), dict) else {}


def _write_label(path: Path, training: Training) -> None:
    """Say what lies on a shelf, for people and for `make plan`; nothing else depends on it."""
    if not path.exists():
        examples = [asdict(example) for example in training.blocks[0]]
        label = {"learner": training.learner.to_json(), "T": examples}
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


def parse_record(line: bytes) -> Record | None:
    """A line of the ledger; None of one that was cut off, or holds anything else: a ledger may be somebody else's."""
    try:
        record = json.loads(line)
        result = Result(**{name: value for name, value in record.items() if name in _FIELDS})
        note = dict(record["note"])
        return Record(result, note, float(record["time"])) if _is_sound(result) and _says_what(note) else None
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None


def _is_sound(result: Result) -> bool:
    """Whether a result holds what it should; its texts go into tables and onto a terminal."""
    numbers = [result.seconds, result.looking, result.updates, *result.nats.values(), *result.outside.values()]
    ids = [each for outputs in result.outputs.values() for output in outputs for each in output]
    texts = [result.device, result.engine, result.torch, result.host, *result.nats, *result.outputs]
    texts += result.outside
    return (
        result.status in ("ok", "diverged")
        and bool(PLAIN.fullmatch(result.key))
        and all(type(number) in (int, float) for number in numbers)
        and all(type(each) is int and each >= 0 for each in ids)
        and all(PLAIN.fullmatch(text) for text in texts)
    )


def _says_what(note: dict[str, Any]) -> bool:
    """Whether a note names a training, as people do."""
    names, numbers = ("task", "learner"), ("size", "seed", "block")
    return all(PLAIN.fullmatch(note[name]) for name in names) and all(type(note[name]) is int for name in numbers)


def _agree(one: Result, other: Result) -> bool:
    """Whether two results have the same numbers, as far as both have them; an engine that reads kept weights of
    another one's gives its scores to rounding.
    """
    if one.status != other.status:
        return False
    nats = all(math.isclose(one.nats[key], other.nats[key], **ROUNDING) for key in one.nats.keys() & other.nats.keys())
    return nats and all(one.outputs[key] == other.outputs[key] for key in one.outputs.keys() & other.outputs.keys())


def _together(old: Result, record: Record) -> Result:
    """Two results that agree as one: the later one, with what the earlier one has beside.

    What was read off kept weights says nothing of how they were trained: engine, device and seconds stay the earlier's.
    Records that have nothing in common may be read off without saying so: they are those of the one that took longer.
    """
    new = record.result
    common = (old.nats.keys() & new.nats.keys()) | (old.outputs.keys() & new.outputs.keys())
    earlier = was_read_off(record) or (not common and old.seconds > new.seconds)
    numbers = {name: getattr(old, name) | getattr(new, name) for name in ("nats", "outputs", "outside")}
    return replace(old if earlier else new, **numbers)


def was_read_off(record: Record) -> bool:
    """Whether a result was read off kept weights, not trained."""
    quick = record.result.seconds <= SHORTEST and record.result.engine not in OF_PROMPTS
    return FROM_KEPT in record.note or (record.result.status == "ok" and quick)


def _meaning(learner: Learner) -> str:
    """The learner, however its numbers are written."""
    return digest(one_spelling(learner.content))


def _text(learner: Learner) -> str:
    return json.dumps(learner.content, sort_keys=True)


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
