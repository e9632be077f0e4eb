"""Stands for Python: hands a command of the project to a server, anything else to Python itself."""
# pathlib takes longer to import than all else here:
# ruff: noqa: PTH109, PTH118, PTH119, PTH120, PTH208

import array
import json
import os
import resource
import signal
import socket
import sys

python, this, folder, *words = sys.argv[1:]
#: How a program ends that is the command `indoubt` (`workspace.indoubt`).
COMMAND = "from indoubt.command.main import main; main()"
LIMITS = ("RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_STACK")


def is_the_projects():
    if words[:1] == ["-m"] and len(words) > 1:
        return words[1].partition(".")[0] in ("snakemake", "indoubt")
    if words[:1] == ["-c"] and len(words) > 1:
        return words[1].endswith(COMMAND)
    return bool(words) and words[0].endswith(".py") and os.path.basename(os.path.dirname(words[0])) == "scripts"


def run_by_python():
    os.execv(python, [python, *words])


if not is_the_projects():
    run_by_python()
sockets = sorted(name for name in os.listdir(folder) if name.endswith(".socket"))
files = []
for name in os.listdir("/dev/fd"):
    try:
        os.fstat(int(name))
        files.append(int(name))
    except OSError:  # the folder itself
        pass
server = socket.socket(socket.AF_UNIX)
try:
    server.connect(os.path.join(folder, sockets[os.getpid() % len(sockets)]))
except OSError:
    run_by_python()
job = {
    "words": words,
    "executable": this,
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "umask": os.umask(0),
    "limits": {name: resource.getrlimit(getattr(resource, name)) for name in LIMITS},
    "files": files,
}
text = json.dumps(job).encode()
server.sendmsg([len(text).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))])
server.sendall(text)
answers = server.makefile("r")
child = int(answers.readline() or 0)
if not child:  # the server cannot stand for Python here
    server.close()
    os.umask(job["umask"])
    run_by_python()
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, lambda number, _: os.kill(child, number))
status = int(answers.readline() or -signal.SIGKILL)
if status < 0:
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
