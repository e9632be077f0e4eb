"""A real SLURM of one node with two pretended GPUs, for tests: its own key, ports and folders, apart from any other."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel")
INSTALL = "apt-get install slurm-wlm slurm-wlm-basic-plugins munge"

CONFIG = """
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld_port}
SlurmdPort={slurmd_port}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000,bf_interval=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=10
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def reason_not_to() -> str | None:
    """Why SLURM cannot be brought up on this machine, or None."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        return f"SLURM is not installed ({', '.join(missing)} missing): {INSTALL}"
    if " " in sys.executable:
        return "the path of this Python has a blank, which the job scripts that Snakemake writes for SLURM do not quote"
    return None if os.geteuid() == 0 else "SLURM's daemons need root; run the tests as root in a container"


class Cluster:
    """The daemons munged, slurmctld and slurmd, running until `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = os.pathsep.join([str(folder / "bin"), _path()])
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}
        self._daemons: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        for name in ("state", "spool"):
            (self.folder / name).mkdir(parents=True)
        for number in (0, 1):
            os.mknod(self.folder / f"gpu{number}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        self._let_jobs_find_it()
        (self.folder / "munge.key").write_bytes(os.urandom(128))
        (self.folder / "munge.key").chmod(0o400)
        ctld_port, slurmd_port = _free_ports(2)
        text = CONFIG.format(host=platform.node(), folder=self.folder, ctld_port=ctld_port, slurmd_port=slurmd_port)
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "gres.conf").write_text(f"AutoDetect=off\nName=gpu File={self.folder}/gpu[0-1]\n")
        files = {"socket": "munge.socket", "key-file": "munge.key", "pid-file": "munge.pid"}
        files |= {"log-file": "munge.log", "seed-file": "munge.seed"}
        options = [f"--{option}={self.folder / file}" for option, file in files.items()]
        self._run("munged", "--foreground", "--force", *options)
        self._wait_for(lambda: (self.folder / "munge.socket").exists())
        self._run("slurmctld", "-D")
        self._run("slurmd", "-D", "-N", platform.node())
        self._wait_for(lambda: "idle" in self.ask("sinfo", "--noheader", "--format=%T"))

    def stop(self) -> None:
        """End all jobs, then the daemons that were started here."""
        self.ask("scancel", "--user=root", "--full")
        for _ in range(100):
            if not self.ask("squeue", "--noheader").strip():
                break
            time.sleep(0.1)
        self._end_what_jobs_left()
        for daemon in reversed(self._daemons):
            daemon.terminate()
        for daemon in self._daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def ask(self, *command: str) -> str:
        """What one of SLURM's programs prints."""
        environment = os.environ | self.environment
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False).stdout

    def jobs(self, rule: str, state: str = "RUNNING") -> list[str]:
        """Numbers of the jobs of a rule that are in a state."""
        lines = self.ask("squeue", "--noheader", "--format=%i %T %k").splitlines()
        return [line.split()[0] for line in lines if line.split()[1] == state and f"rule_{rule}" in line]

    def _end_what_jobs_left(self) -> None:
        """Kill what outlived its job: without cgroups, SLURM loses sight of processes whose parent has ended."""
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                environment = process.environ()
                if environment.get("SLURM_CONF") == self.environment["SLURM_CONF"] and "SLURM_JOB_ID" in environment:
                    process.kill()

    def _let_jobs_find_it(self) -> None:
        """A job starts its steps without the SLURM_CONF that it was submitted with: an `srun` of our own sets it."""
        script = self.folder / "bin/srun"
        script.parent.mkdir()
        srun = shutil.which("srun", path=_path())
        script.write_text(f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {srun} "$@"\n')
        script.chmod(0o755)

    def _run(self, *command: str) -> None:
        log = (self.folder / f"{command[0]}.out").open("wb")
        environment = os.environ | self.environment
        daemon = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        log.close()
        self._daemons.append(daemon)

    def _wait_for(self, condition: object) -> None:
        for _ in range(300):
            if condition():  # type: ignore[operator]
                return
            time.sleep(0.1)
        logs = "\n".join(path.read_text()[-2000:] for path in self.folder.glob("*.[lo][ou][gt]"))
        raise AssertionError(f"SLURM did not come up:\n{logs}")


def _free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
