"""The one kind of error that is meant for the person who runs the program."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable


class UserError(Exception):
    """Something that the user can put right: the message says what, where and what to do."""


def nearest(word: object, allowed: Iterable[object]) -> str:
    """A hint `; did you mean 'x'?` for the allowed word nearest to `word`, or nothing."""
    match = difflib.get_close_matches(str(word), [str(a) for a in allowed], n=1, cutoff=0.5)
    return f"; did you mean {match[0]!r}?" if match else ""


def exit_on_user_error(main: Callable[[], None]) -> None:
    """Run a command line's `main`; a `UserError` ends it with status 1 and its message, without a traceback."""
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
