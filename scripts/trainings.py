"""Do one job of the workflow: a range of seeds and blocks of one (task, size, learner).

    python scripts/trainings.py --job "$(cat job.json)" --data-bin results/data-bin/add-or-mul/5 \\
        --ledger results/ledger --output rows.jsonl

Trainings that the ledger knows are not done again. For one learner by hand, scripts/train.py is the better tool.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.errors import exit_on_user_error
from indoubt.workflow.processes import gpu_slot


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, fromfile_prefix_chars="@"
    )
    parser.add_argument("--job", required=True, metavar="JSON", help="what to do, as workflow.job.Job describes it")
    parser.add_argument("--data-bin", required=True, type=Path, metavar="DIR", help="the (task, size)'s binarized data")
    parser.add_argument("--ledger", required=True, type=Path, metavar="DIR", help="where finished trainings are kept")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="rows of the results, JSON lines")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
    parser.add_argument(
        "--states", type=Path, metavar="DIR", help="where unfinished trainings are saved, to resume from"
    )
    parser.add_argument("--running", type=Path, metavar="DIR", help="where jobs give signs of life")
    parser.add_argument("--keep", default="none", choices=["none", "T"], help="which weights to keep, and use if kept")
    parser.add_argument("--checkpoints", type=Path, metavar="DIR", help="where weights are kept")
    parser.add_argument("--starts", type=Path, metavar="DIR", help="where weights of starts are kept")
    parser.add_argument("--starts-alone", action="store_true", help="train the starts of the job's seeds, no more")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1: more are slower here)")
    parser.add_argument("--slots-per-gpu", type=int, default=1, metavar="N", help="jobs that may share a GPU")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", str(arguments.threads))
    with gpu_slot(arguments.device, arguments.slots_per_gpu):
        print(f"on {platform.node()}; CUDA_VISIBLE_DEVICES: {os.environ.get('CUDA_VISIBLE_DEVICES')}", file=sys.stderr)
        from indoubt.engines.devices import choose_device
        from indoubt.workflow.job import Job, Places
        from indoubt.workflow.jobs import run_job

        run_job(
            Job.from_json(arguments.job),
            arguments.data_bin,
            Places(
                arguments.ledger,
                arguments.states,
                arguments.running,
                arguments.checkpoints if arguments.keep == "T" else None,
                arguments.starts,
            ),
            arguments.output,
            choose_device(arguments.device, arguments.threads),
            arguments.starts_alone,
        )


if __name__ == "__main__":
    exit_on_user_error(main)
