"""fairseq's own programs on today's numpy and torch.

python -m indoubt.fairseq_cli preprocess|train|generate|interactive|score|eval_lm <the program's arguments>
"""

from __future__ import annotations

import importlib
import sys

import indoubt.data.compat  # noqa: F401  (must come before fairseq)

from indoubt.errors import UserError, exit_on_user_error, nearest

PROGRAMS = ("preprocess", "train", "generate", "interactive", "score", "eval_lm")


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in PROGRAMS:
        raise UserError(f"no program {name!r}; there are {', '.join(PROGRAMS)}{nearest(name, PROGRAMS)}")
    sys.argv = [f"fairseq-{name}", *sys.argv[2:]]
    module = importlib.import_module(f"fairseq_cli.{name}")
    (module.main if name == "score" else module.cli_main)()


if __name__ == "__main__":
    exit_on_user_error(main)
