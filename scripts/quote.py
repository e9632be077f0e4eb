"""Fill the numbers of a text in from the tables of a run.

    python scripts/quote.py text.md.j2 --tables results/tables --output text.md

docs/report.md says what a text can ask for.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.errors import UserError, exit_on_user_error
from indoubt.files import write_atomically
from indoubt.report.quoting import quoted
from indoubt.schema import RUN
from indoubt.tables.tables import read_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path)
    parser.add_argument("--tables", type=Path, default=Path("results/tables"), metavar="DIR")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    try:
        text = arguments.text.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"the text {arguments.text} cannot be read: {error.strerror}") from None
    write_atomically(arguments.output, quoted(text, {name: read_table(arguments.tables, name) for name in RUN}))


if __name__ == "__main__":
    exit_on_user_error(main)
