"""Say what a configuration costs, in CPU- or GPU-hours, before anything is spent, and what that rests on.

    python scripts/estimate.py --configfile presets/paper.yaml

Rates are those measured in results/ledger, whatever the updates were. Says too where the seeds asked for are too few to
reach any verdict. `make estimate PRESET=...` does the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.errors import exit_on_user_error
from indoubt.statistics.reach import out_of_reach
from indoubt.workflow.cli_options import add_config_options, plan_of
from indoubt.workflow.estimate import estimates, in_lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_options(parser)
    arguments = parser.parse_args()
    plan = plan_of(arguments.configfile, arguments.config, arguments.results)
    print("\n".join([*in_lines(estimates(plan, arguments.results / "ledger")), *out_of_reach(plan)]))


if __name__ == "__main__":
    exit_on_user_error(main)
