"""The command `indoubt`: a module for each of its subcommands, with a light `parser()` and a `main(words)`.

`argparse` reads them, since they take options as Snakemake does (`--configfile one.yaml two.yaml`), hand Snakemake what
is not theirs, and share a parser with fairseq. It comes with Python, so that nothing is installed for a list of tasks.
"""

from __future__ import annotations

import shutil
import textwrap
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Sequence

#: The subcommands and what they do.
COMMANDS = {
    "run": "run an experiment end to end, with progress",
    "plan": "say which trainings a run would do, and why",
    "status": "say where a run stands",
    "estimate": "say what a run costs before it is run",
    "report": "show what was found, and make the page of a results folder anew",
    "archive": "pack results into one file, rebuild from one, or take one up",
    "found": "a found rule as Python for its task's file",
    "compare": "which cells differ between two results, beyond the noise of seeds?",
    "learners": "list the learners that have a name",
    "tasks": "list the tasks",
    "train": "train one learner, with fairseq's options",
    "decode": "decode test inputs with a trained learner",
}


def named_parser(name: str, about: str | None) -> ArgumentParser:
    """The parser of a subcommand."""
    return ArgumentParser(f"indoubt {name}", description=about, formatter_class=RawDescriptionHelpFormatter)


def configured_parser(name: str, about: str | None) -> ArgumentParser:
    """The parser of a subcommand that takes a configuration and a results folder, and nothing else."""
    from indoubt.workflow.config_files import add_config_options, add_results_option  # needs the extra `workflow`

    made = named_parser(name, about)
    add_config_options(made)
    add_results_option(made)
    return made


def text_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows in columns, of which the last is broken into lines where the terminal is too narrow for it."""
    widths = [max(len(row[place]) for row in [heads, *rows]) for place in range(len(heads) - 1)]
    before = sum(widths) + 2 * len(widths)
    last = max(shutil.get_terminal_size((120, 24)).columns - before, 30)
    lines = []
    for row in [heads, *rows]:
        first, *more = textwrap.wrap(row[-1], last) or [""]
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths, strict=True)]
        lines += ["  ".join([*cells, first]).rstrip(), *(" " * before + line for line in more)]
    return "\n".join(lines)
