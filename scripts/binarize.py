"""Binarize datasets of a (task, size) with fairseq-preprocess.

python scripts/binarize.py --text results/data/add-or-mul/5 --dataset fpa mul --output results/data-bin/add-or-mul/5
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.data.binary import binarize
from indoubt.errors import exit_on_user_error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--text", required=True, type=Path, metavar="DIR", help="folder that holds the datasets' folders"
    )
    parser.add_argument("--dataset", required=True, nargs="+", help="which datasets to binarize")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="where their folders go")
    arguments = parser.parse_args()
    for dataset in arguments.dataset:
        binarize(arguments.text / dataset, arguments.output / dataset)


if __name__ == "__main__":
    exit_on_user_error(main)
