"""Environment variables that the rules' shell commands use.

What stands here is no param of a rule: where a training is done, and what is kept of it, makes nothing stale.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from indoubt.workflow.planning.config import Config


def set_job_environment(scripts: Path, config: Config) -> None:
    """Set them in this process, from which Snakemake's jobs inherit them; on a cluster each job's Snakemake does it.

    `PATH` starts with the environment that Snakemake runs in, so that `python` is this one, activated or not; a conda
    environment of Snakemake's making wins over it.
    """
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    os.environ["DOUBT_SCRIPTS"] = str(scripts)
    os.environ["DOUBT_DEVICE"] = config.device
    os.environ["DOUBT_KEEP"] = config.keep_checkpoints
    os.environ["DOUBT_SLOTS_PER_GPU"] = str(config.slots_per_gpu)
