"""What `indoubt train` does, where the command is not installed: `python scripts/train.py --help`."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from indoubt.command.train import main
from indoubt.errors import exit_on_user_error

if __name__ == "__main__":
    exit_on_user_error(main)
