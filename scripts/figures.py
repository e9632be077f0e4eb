"""The figures of a results folder, from its tables.

Examples:
    python scripts/figures.py --tables results/tables --figures results/figures
    python scripts/figures.py --tables results/tables --figures mine --draw --atlas add-or-mul/5 --learners cnn lstm
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.errors import exit_on_user_error
from indoubt.figures.draw import draw_atlas, draw_figures, draw_starts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, fromfile_prefix_chars="@"
    )
    parser.add_argument("--tables", required=True, type=Path, help="folder of the tables")
    parser.add_argument("--figures", required=True, type=Path, help="folder to write to, one folder per task")
    parser.add_argument(
        "--draw", nargs="*", metavar="TASK/FIGURE", help="which figures; by default all that the tables speak of"
    )
    parser.add_argument("--atlas", nargs="+", metavar="TASK/SIZE", help="the atlas's columns, in order; default: all")
    parser.add_argument("--learners", nargs="+", metavar="LEARNER", help="the atlas's rows, in order; default: all")
    arguments = parser.parse_args()
    wanted = None if arguments.draw is None else [(task, name) for task, name in (w.split("/") for w in arguments.draw)]
    if wanted is None or wanted:
        draw_figures(arguments.tables, arguments.figures, wanted)
    draw_atlas(arguments.tables, arguments.figures, arguments.atlas, arguments.learners)
    draw_starts(arguments.tables, arguments.figures)


if __name__ == "__main__":
    exit_on_user_error(main)
