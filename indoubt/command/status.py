"""Say where a run stands: trainings done, running, failed and missing, the measured rate and the time left.

    indoubt status --preset paper

Works while jobs run, from any machine that sees the results folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from indoubt.command import configured_parser
from indoubt.workflow.config_files import configfiles, plan_of


def parser() -> argparse.ArgumentParser:
    return configured_parser("status", __doc__)


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser().parse_args(words)
    plan = plan_of(configfiles(arguments), arguments.config, arguments.results)

    # now: it imports torch and pandas, which a wrong configuration should not wait for
    from indoubt.workflow import status

    print("\n".join(status.status(plan, arguments.results)))
