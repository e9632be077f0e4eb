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

from doubt.data.seeds import label
from doubt.errors import UserError
from doubt.files import write_atomically

#: Seconds between two signs of life, and after how many without one a job is taken for dead.
EVERY, DEAD_AFTER = 20.0, 120.0


@dataclass(frozen=True)
class Sign:
    """What an unfinished job says of itself; `state` is `running`, `stopped` (told to end), `dead` or `failed`."""

    task: str
    size: int
    learner: str
    seeds: tuple[int, ...]
    blocks: tuple[int, int]
    state: str
    host: str
    message: str


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
    path = folder / f"{name}.json"
    about = {**job, "host": platform.node(), "process": os.getpid(), "started": time.time()}
    stop = threading.Event()
    _write(path, {**about, "state": "running"})
    thread = threading.Thread(target=_beat, args=(path, stop), daemon=True)
    thread.start()
    try:
        yield
    except SystemExit:
        _write(path, {**about, "state": "stopped"})
        raise
    except BaseException as error:
        _write(path, {**about, "state": "failed", "message": f"{type(error).__name__}: {error}"})
        raise
    else:
        path.unlink(missing_ok=True)
    finally:
        stop.set()


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
            found.append(Sign(*where, seeds, blocks, state, content["host"], content.get("message", "")))
        except (OSError, ValueError, KeyError, IndexError):
            continue  # just being written, or finished in the meantime
    return found


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(EVERY):
        with contextlib.suppress(OSError):
            os.utime(path)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    """A sign that cannot be written does not stop the work."""
    with contextlib.suppress(UserError):
        write_atomically(path, json.dumps(content) + "\n")
