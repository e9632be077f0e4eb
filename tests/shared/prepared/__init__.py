"""Python processes of tests that start with the libraries imported.

Most of what a tested command takes is importing torch, pandas and Snakemake: two seconds before it does what is tested.
Here a server imports them once and forks a child for each command. `python` in the servers' folder is a client: it
hands its words, folder, environment and open files to a server, passes signals on, and ends as the child ends. The code
of the project is imported by each child anew, from where it is told to.

Commands that are not the project's, and those whose environment differs from the server's in what is read at Python's
start, are run by Python itself. So are all of a test with the marker `real_start`: tests of what a process imports, of
signals, of process groups.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

#: The Python that the tests were started with.
PYTHON = sys.executable
HERE = Path(__file__).parent
#: A server for each, so that what hangs on the order of a set shows between processes as it does elsewhere.
HASH_SEEDS = (1, 2)


@contextlib.contextmanager
def prepared_python() -> Iterator[str]:
    """The path of a `python` that hands its work to the servers."""
    with tempfile.TemporaryDirectory(prefix="prepared-") as folder, contextlib.ExitStack() as servers:
        for seed in HASH_SEEDS:
            servers.enter_context(_server(Path(folder) / f"{seed}.socket", seed))
        client = Path(folder) / "bin" / "python"
        client.parent.mkdir()
        words = [PYTHON, "-SE", str(HERE / "client.py"), PYTHON, str(client), folder]
        client.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        client.chmod(0o755)
        for other in Path(PYTHON).parent.iterdir():  # commands are looked for beside Python
            if not other.name.startswith("python"):
                (client.parent / other.name).symlink_to(other)
        yield str(client)


@contextlib.contextmanager
def _server(path: Path, seed: int) -> Iterator[None]:
    """A server behind a socket; clients wait at the socket until it has imported everything."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(128)
        server = subprocess.Popen(
            [PYTHON, str(HERE / "server.py"), str(listening.fileno())],
            stdin=subprocess.PIPE,  # its end is the server's
            pass_fds=[listening.fileno()],
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            | {"PYTHONHASHSEED": str(seed)},
            start_new_session=True,
        )
    try:
        yield
    finally:
        server.kill()
        server.communicate()
