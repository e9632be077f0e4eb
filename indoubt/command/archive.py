"""Pack what was measured into one file, or take such a file up elsewhere.

    indoubt archive pack [--preset small] [--output results/doubt-archive.tar.gz]
    indoubt archive pack --preset paper --measured
    indoubt archive rebuild doubt-archive.tar.gz --results rebuilt
    indoubt archive unpack doubt-archive.tar.gz

Rebuilding makes tables, figures and the page in one go. After unpacking the workflow does the same, without training,
and can go on from there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from indoubt.command import named_parser
from indoubt.workflow.archive import pack, unpack
from indoubt.workflow.config_files import add_config_options, add_results_option, configfiles, content_of
from indoubt.workflow.plan import Plan


def parser() -> argparse.ArgumentParser:
    made = named_parser("archive", __doc__)
    commands = made.add_subparsers(dest="command", required=True)
    packing = commands.add_parser("pack", help="write an archive of a configuration's results")
    add_config_options(packing)
    add_results_option(packing)
    packing.add_argument("--output", type=Path, metavar="FILE", help="default: doubt-archive.tar.gz in the results")
    packing.add_argument(
        "--measured", action="store_true", help="of a run that is not done: the seeds that are whole, as they stand"
    )
    packing.add_argument(
        "--weights",
        action="store_true",
        help="the weights of starts too, so that cells that go on from them can be added",
    )
    unpacking = commands.add_parser("unpack", help="add an archive's trainings to the ledger here")
    unpacking.add_argument("archive", type=Path)
    unpacking.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
    rebuilding = commands.add_parser("rebuild", help="tables, figures and the page of an archive, without the workflow")
    rebuilding.add_argument("archive", type=Path)
    rebuilding.add_argument("--results", type=Path, required=True, metavar="DIR", help="a folder to write to")
    rebuilding.add_argument("--tables", action="store_true", help="the tables alone, which is quicker")
    for each in (unpacking, rebuilding):
        each.add_argument(
            "--trust",
            action="store_true",
            help="run code that the configuration names and that is not this repository's (tasks, learners, plug-ins)",
        )
    return made


def main(words: Sequence[str] | None = None) -> None:
    arguments = parser().parse_args(words)
    if arguments.command == "pack":
        content = content_of(configfiles(arguments), arguments.config)
        archive = arguments.output or arguments.results / "doubt-archive.tar.gz"
        plan = Plan(content, arguments.results / ".cache")
        if arguments.measured:
            from indoubt.workflow.status import measured_part  # slow to import: torch

            found = measured_part(content, plan, arguments.results / "ledger")
            print("".join(f"left out: {each}\n" for each in found.missing), end="", file=sys.stderr)
            content, plan = found.content, Plan(found.content, arguments.results / ".cache")
        tables = arguments.results / "tables"
        if with_tables := tables.is_dir():
            from indoubt.workflow.missing import belong  # slow to import: torch

            with_tables = belong(tables, plan)
            if not with_tables:
                said = f"left out: {tables} and its page are not of this configuration as it is; run the workflow first"
                print(said, file=sys.stderr)
        n_files = pack(content, plan, arguments.results, archive, with_tables, arguments.weights)
        print(f"{archive}: {archive.stat().st_size / 1e6:.1f} MB, with {n_files} files of the ledger")
    else:
        config, by_others = unpack(arguments.archive, arguments.results, arguments.trust)
        if by_others:
            print(f"Measured by other code than this, and taken as they are: {', '.join(by_others)}.")
        if arguments.command == "rebuild":
            from indoubt.report.provenance import read_provenance  # slow to import: figures, statistics, torch
            from indoubt.report.rebuild import rebuild_page, rebuild_tables

            content = yaml.safe_load(config.read_text(encoding="utf-8"))
            made = config.parent / "tables/provenance.json"
            plan = Plan(content, arguments.results / ".cache")
            rebuild_tables(plan, arguments.results)
            if arguments.tables:
                print(f"Rebuilt from the archive: {arguments.results / 'tables'}")
                return
            rebuild_page(content, plan, arguments.results, read_provenance(made) if made.exists() else None)
            print(f"Rebuilt from the archive: {arguments.results / 'report/index.html'}")
            return
        print(f"Its trainings are in the ledger. Rebuild everything with\n  snakemake --cores 2 --configfile {config}")
