"""Put the rows of a cell's jobs into one file.

    python scripts/collect.py --folder results/runs/add-or-mul/5/cnn --output results/runs/add-or-mul/5/cnn.jsonl \\
        --jobs '[[["1-1", "2-2"], ["0-0", "1-1"]]]'

`--jobs` names thousands of files in a few words: pairs of seed ranges and block ranges, whose products are the jobs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from doubt.errors import UserError, exit_on_user_error
from doubt.files import write_atomically


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, fromfile_prefix_chars="@"
    )
    parser.add_argument("--folder", required=True, type=Path, metavar="DIR", help="the cell's folder of results/runs")
    parser.add_argument(
        "--jobs", required=True, type=json.loads, metavar="JSON", help="[[seed ranges, block ranges], ...]"
    )
    parser.add_argument("--output", required=True, type=Path, metavar="FILE")
    arguments = parser.parse_args()
    rows = []
    for seed_ranges, block_ranges in arguments.jobs:
        for seeds, blocks in itertools.product(seed_ranges, block_ranges):
            path = arguments.folder / f"seeds-{seeds}" / f"blocks-{blocks}.jsonl"
            try:
                rows.append(path.read_text(encoding="utf-8"))
            except OSError as error:
                raise UserError(f"the rows of a job are missing: {path}: {error.strerror}; run it again") from None
    write_atomically(arguments.output, "".join(rows))


if __name__ == "__main__":
    exit_on_user_error(main)
