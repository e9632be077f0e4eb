"""Put the rows of a cell's jobs into one file.

    python scripts/collect.py --output results/runs/add-or-mul/5/cnn.jsonl \\
        --rows results/runs/add-or-mul/5/cnn/seeds-1-12/blocks-0-5.jsonl
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.errors import exit_on_user_error
from indoubt.files import read_text, write_atomically


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, fromfile_prefix_chars="@"
    )
    parser.add_argument("--rows", required=True, nargs="+", type=Path, metavar="FILE", help="the rows of each job")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE")
    arguments = parser.parse_args()
    texts = [read_text(path, "these are the rows of a job: run it again") for path in arguments.rows]
    write_atomically(arguments.output, "".join(texts))


if __name__ == "__main__":
    exit_on_user_error(main)
