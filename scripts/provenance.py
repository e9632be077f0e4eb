"""Write down what makes the results of a run: configuration, versions, revision, machine, and what was to be run.

    python scripts/provenance.py --config '{"updates": 3000}' --expected '[]' --output results/tables

Writes provenance.json (software and machine), config.yaml (the whole configuration, defaults included) and
expected.json (every cell with its seeds and datasets) into the output folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import yaml

from indoubt.errors import exit_on_user_error
from indoubt.files import write_atomically
from indoubt.report.provenance import of_this_machine


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, fromfile_prefix_chars="@"
    )
    parser.add_argument("--config", required=True, type=json.loads, metavar="JSON", help="the configuration")
    parser.add_argument("--expected", required=True, type=json.loads, metavar="JSON", help="the cells to be run")
    parser.add_argument(
        "--learners", type=json.loads, default={}, metavar="JSON", help="what each learner is, in words"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR")
    arguments = parser.parse_args()
    made = of_this_machine() | {"learner": arguments.learners}
    write_atomically(arguments.output / "provenance.json", json.dumps(made, indent=2) + "\n")
    write_atomically(arguments.output / "config.yaml", yaml.safe_dump(arguments.config, sort_keys=False))
    write_atomically(arguments.output / "expected.json", json.dumps(arguments.expected) + "\n")


if __name__ == "__main__":
    exit_on_user_error(main)
