"""Say what a configuration costs, in CPU- or GPU-hours, before anything is spent, and what that rests on.

    indoubt estimate --preset paper

Rates are those measured in results/ledger, by trainings of at least a tenth of a learner's updates. Says too where
the seeds asked for are too few to reach any verdict.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from indoubt.command import configured_parser
from indoubt.workflow.config_files import configfiles, plan_of


def parser() -> argparse.ArgumentParser:
    return configured_parser("estimate", __doc__)


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser().parse_args(words)
    plan = plan_of(configfiles(arguments), arguments.config, arguments.results)

    # now: they import torch and pandas, which a wrong configuration should not wait for
    from indoubt.statistics.reach import out_of_reach
    from indoubt.workflow.estimate import estimates, in_lines

    print("\n".join([*in_lines(estimates(plan, arguments.results / "ledger")), *out_of_reach(plan)]))
