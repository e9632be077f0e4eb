"""Imports the libraries, then forks a child for each command that a client hands over."""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import random
import resource
import runpy
import select
import selectors
import signal
import socket
import sys
import threading
import types
from pathlib import Path
from typing import Any, NoReturn

#: What importing a command takes long for.
LIBRARIES = (
    "torch",
    "matplotlib.pyplot",
    "pandas",
    "scipy.stats",
    "statsmodels.stats.multitest",
    "snakemake.cli",
    "snakemake.api",
    "snakemake.workflow",
    "pydantic",
    "jinja2",
    "rich.console",
    "fairseq.checkpoint_utils",
    "fairseq.options",
    "fairseq.search",
    "fairseq.models",
)
#: Names of numpy that fairseq needs; the project's own shims give a child those that it runs with.
SHIMS = {"float": float, "int": int}
#: Variables that Python or the libraries read at their start.
READ_AT_START = ("PYTHON", "LC_", "LANG", "OMP_", "MKL_", "OPENBLAS_", "LD_", "MALLOC_", "TORCH", "MPL", "CUDA_")


def read_at_start(environment: dict[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_AT_START) and name != "PYTHONPATH" and (name, value) != ("PYTHONIOENCODING", "utf-8")
    }


OURS = read_at_start(dict(os.environ))
HASH_SEED = OURS.pop("PYTHONHASHSEED")


def serve(listening: socket.socket) -> dict[str, Any]:
    """Fork for every command; returns in the children alone, with what they are to do."""
    events = selectors.DefaultSelector()
    ended, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for file in (sys.stdin.fileno(), ended, listening):
        events.register(file, selectors.EVENT_READ)
    children: dict[int, socket.socket] = {}
    while True:
        for key, _ in events.select():
            if key.fd == sys.stdin.fileno():  # the tests are over
                os._exit(0)
            if key.fd == ended:
                os.read(ended, 4096)
                reap(children, events)
            elif key.fileobj is listening:
                client, _ = listening.accept()
                job = received(client)
                if job is None:
                    client.close()
                    continue
                child = os.fork()
                if child == 0:
                    signal.set_wakeup_fd(-1)
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    events.close()
                    for other in (client, listening, *children.values()):
                        other.close()
                    os.close(ended)
                    os.close(told)
                    return job
                for file in job["here"]:
                    os.close(file)
                client.sendall(f"{child}\n".encode())
                children[child] = client
                events.register(client, selectors.EVENT_READ, child)
            elif key.data in children:  # the client was killed
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(key.data, signal.SIGKILL)
                events.unregister(key.fileobj)


def reap(children: dict[int, socket.socket], events: selectors.BaseSelector) -> None:
    """Tell the clients of children that have ended how."""
    while children:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        client = children.pop(child)
        with contextlib.suppress(KeyError):
            events.unregister(client)
        with contextlib.suppress(OSError):
            client.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        client.close()


def received(client: socket.socket) -> dict[str, Any] | None:
    """A client's command with its open files, as `here`; None where Python has to run it."""
    files = array.array("i")
    size, ancillary, _, _ = client.recvmsg(8, socket.CMSG_SPACE(253 * files.itemsize))
    for _, _, data in ancillary:
        files.frombytes(data[: len(data) - len(data) % files.itemsize])
    text = b""
    while len(text) < int.from_bytes(size, "big"):
        text += client.recv(1 << 20)
    job: dict[str, Any] = json.loads(text)
    job["here"] = list(files)
    customised = any((Path(path) / "sitecustomize.py").exists() for path in python_path(job))
    if read_at_start(job["environment"]) == OURS and not customised:
        return job
    for file in files:
        os.close(file)
    return None


def python_path(job: dict[str, Any]) -> list[str]:
    """The folders in which a client's Python looks for modules first."""
    return [path for path in job["environment"].get("PYTHONPATH", "").split(os.pathsep) if path]


def become(job: dict[str, Any]) -> None:
    """Make this process what the client's would be: its files, folder, environment and limits."""
    os.setsid()
    high = [os.dup2(file, 1000 + place) for place, file in enumerate(job["here"])]
    for file in range(max([*job["here"], *job["files"]]) + 1):
        with contextlib.suppress(OSError):
            os.close(file)
    for file, there in zip(high, job["files"], strict=True):
        os.dup2(file, there)
        os.close(file)
    for name, file, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        stream = None
        with contextlib.suppress(OSError):  # the client has it closed
            errors = "backslashreplace" if name == "stderr" else "strict"
            stream = open(file, mode, encoding="utf-8", errors=errors, closefd=False)  # noqa: SIM115
            stream.reconfigure(line_buffering=name == "stderr" or stream.isatty())
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.chdir(job["folder"])
    os.umask(job["umask"])
    os.environ.clear()
    os.environ.update(job["environment"])
    for name, limits in job["limits"].items():
        resource.setrlimit(getattr(resource, name), limits)
    sys.executable = job["executable"]
    sys.path[1:1] = python_path(job)
    random.seed()
    sys.modules["numpy"].random.seed()


def run(words: list[str]) -> None:
    """What Python does with `-m module ...`, `-c program ...` or `script.py ...`."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    if words[0] == "-m":
        sys.argv = words[1:]
        sys.path[0] = str(Path.cwd())
        runpy._run_module_as_main(words[1])  # type: ignore[attr-defined]
    elif words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        sys.path[0] = ""
        exec(compile(words[1], "<string>", "exec"), main.__dict__)
    else:
        sys.argv = words
        script = Path(words[0]).absolute()
        sys.path[0] = str(script.parent)
        main.__file__ = str(script)
        exec(compile(script.read_bytes(), script, "exec"), main.__dict__)


def status_of(words: list[str]) -> int:
    """Run it, and return the status that Python would end with."""
    try:
        run(words)
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            return ended.code or 0
        print(ended.code, file=sys.stderr)
        return 1
    except BaseException:
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        return 1
    return 0


def end(status: int) -> NoReturn:
    """End as Python does, but leave the libraries as they are: taking them down would copy the memory they share."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError):
            stream.flush()
    os._exit(status)


if __name__ == "__main__":
    entrance = socket.socket(fileno=int(sys.argv[1]))
    select.select([sys.stdin, entrance], [], [])  # nothing is imported that nobody asks for
    import numpy

    vars(numpy).update(SHIMS)
    for library in LIBRARIES:
        importlib.import_module(library)
    for name in SHIMS:
        delattr(numpy, name)
    gc.collect()
    gc.freeze()
    todo = serve(entrance)
    become(todo)
    end(status_of(todo["words"]))
