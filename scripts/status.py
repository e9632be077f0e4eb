"""Say where a run stands: trainings done, running, failed and missing, the measured rate and the time left.

    python scripts/status.py [--configfile presets/paper.yaml]
    python scripts/status.py --why     # instead: which trainings a run would do, and why

Works while jobs run, from any machine that sees the results folder. `make status` and `make plan` do the same.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.errors import exit_on_user_error
from indoubt.workflow.cli_options import add_config_options, plan_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_options(parser)
    parser.add_argument("--why", action="store_true", help="say what a run would train, and why")
    arguments = parser.parse_args()
    plan = plan_of(arguments.configfile, arguments.config, arguments.results)

    # now: they import torch and pandas, which a wrong configuration should not wait for
    from indoubt.statistics.reach import out_of_reach
    from indoubt.workflow import status

    if arguments.why:
        print("\n".join([*status.why(plan, arguments.results), *out_of_reach(plan)]))
    else:
        print("\n".join(status.status(plan, arguments.results)))


if __name__ == "__main__":
    exit_on_user_error(main)
