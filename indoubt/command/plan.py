"""Say which trainings a run would do, and why.

    indoubt plan --preset paper

Says too where the seeds asked for are too few to reach any verdict.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from indoubt.command import named_parser
from indoubt.workflow.config_files import add_config_options, add_results_option, configfiles, plan_of


def parser() -> argparse.ArgumentParser:
    made = named_parser("plan", __doc__)
    add_config_options(made)
    add_results_option(made)
    return made


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser().parse_args(words)
    plan = plan_of(configfiles(arguments), arguments.config, arguments.results)

    # now: they import torch and pandas, which a wrong configuration should not wait for
    from indoubt.statistics.reach import out_of_reach
    from indoubt.workflow import status

    print("\n".join([*status.why(plan, arguments.results), *out_of_reach(plan)]))
