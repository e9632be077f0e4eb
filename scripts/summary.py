"""Say in the terminal which rule each learner follows, from the tables of a results folder.

Example:
    python scripts/summary.py --tables results/tables
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rich.console import Console

from indoubt.errors import exit_on_user_error
from indoubt.report.summary import summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, type=Path, help="folder of the tables")
    arguments = parser.parse_args()
    console = Console()
    console.print(summary(arguments.tables), highlight=False, soft_wrap=not console.is_terminal and console.width < 100)


if __name__ == "__main__":
    exit_on_user_error(main)
