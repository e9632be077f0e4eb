"""The figures of a results folder, from its tables.

Example:
    python scripts/figures.py --tables results/tables --figures results/figures
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from doubt.errors import exit_on_user_error
from doubt.figures.draw import draw_figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", required=True, type=Path, help="folder of the tables")
    parser.add_argument("--figures", required=True, type=Path, help="folder to write to, one folder per task")
    parser.add_argument("--tasks", nargs="*", help="which tasks; by default those that the tables speak of")
    arguments = parser.parse_args()
    draw_figures(arguments.tables, arguments.figures, arguments.tasks)


if __name__ == "__main__":
    exit_on_user_error(main)
