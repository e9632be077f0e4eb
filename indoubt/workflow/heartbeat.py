"""A training job's sign of life on the shared file system, from which any machine sees what runs and what failed."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indoubt.data.seeds import label
from indoubt.engines.progress import under_way
from indoubt.errors import UserError
from indoubt.files import as_file_name, write_atomically

#: Seconds between two signs of life, and after how many without one a job is taken for dead.
EVERY, DEAD_AFTER = 10.0, 120.0


@dataclass(frozen=True)
class Part:
    """A training that is under way: its key, seed and block, and the share of its updates that is done, 0 to 1."""

    key: str
    seed: int
    block: int
    share: float


@dataclass(frozen=True)
class Sign:
    """What an unfinished job says of itself; `state` is `running`, `stopped` (told to end), `dead` or `failed`.

    `parts` are what a running job was training when it last gave a sign; some of it may be in the ledger by now. Engine
    `fairseq` does not say.
    """

    task: str
    size: int
    learner: str
    seeds: tuple[int, ...]
    blocks: tuple[int, int]
    state: str
    host: str
    message: str
    parts: tuple[Part, ...] = ()


@contextmanager
def heartbeat(folder: Path | None, job: Mapping[str, Any]) -> Iterator[None]:
    """Give signs of life while it lasts; afterwards leave nothing, or, of a job that did not finish, why.

    Args:
        folder: where the signs lie, a file per job; None: none are given.
        job: `task`, `size`, `learner`, `seeds` (all of them) and `blocks` (first and last).
    """
    if folder is None:
        yield
        return
    parts = (job["task"], job["size"], job["learner"], label(job["seeds"]), *job["blocks"])
    name = "-".join(str(part) for part in parts)
    path = folder / f"{as_file_name(name)}.json"
    about = {**job, "host": platform.node(), "process": os.getpid(), "started": time.time()}
    try:
        with _beating(path, about):
            yield
    except (SystemExit, KeyboardInterrupt):
        _write(path, {**about, "state": "stopped"})
        raise
    except BaseException as error:
        _write(path, {**about, "state": "failed", "message": f"{type(error).__name__}: {error}"})
        raise
    path.unlink(missing_ok=True)


def signs(folder: Path) -> list[Sign]:
    """The signs of all jobs that have begun and not finished."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            state = content["state"]
            if state == "running" and time.time() - path.stat().st_mtime > DEAD_AFTER:
                state = "dead"
            seeds, blocks = tuple(content["seeds"]), tuple(content["blocks"])
            where = content["task"], content["size"], content["learner"]
            message = content.get("message", "")
            listed = content.get("under_way", ()) if state == "running" else ()
            parts = tuple(Part(key, seed, block, content["share"]) for key, seed, block in listed)
            found.append(Sign(*where, seeds, blocks, state, content["host"], message, parts))
        except (OSError, ValueError, TypeError, KeyError, IndexError):
            continue  # just being written, or finished in the meantime
    return found


@contextmanager
def _beating(path: Path, about: Mapping[str, Any]) -> Iterator[None]:
    """Say that the job runs, and what is under way in it; afterwards nothing more is written."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(EVERY):
            with contextlib.suppress(OSError):
                os.utime(path)  # on a full disk this is a sign still
            _write(path, {**about, "state": "running", **_under_way()})

    _write(path, {**about, "state": "running"})
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _under_way() -> dict[str, Any]:
    now = under_way()
    return {"share": now.share, "under_way": [[each.key, each.seed, each.block] for each in now.trainings]}


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """A sign that cannot be written does not stop the work."""
    with contextlib.suppress(UserError):
        write_atomically(path, json.dumps(content) + "\n")
